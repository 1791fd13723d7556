"""The contest of methods: which way to prune or to round is best for this network, by evidence."""

from __future__ import annotations

import dataclasses

import ipywidgets as ipw
import plotly.graph_objects as go

from widgets import theme
from widgets.background import Outcome
from widgets.figures._live import updating
from widgets.figures.contest import ContestInfo, Rival, contest_figure, contest_info, divergence_text, draw_
from widgets.panels._panel import Panel, buttons
from widgets.panels._work import Work
from widgets.table import Table
from widgets.text import capitalised, escape, percent, recipe_text
from workbench.context import Progress
from workbench.recipe import Recipe, Step
from workbench.reconstruction.contest import Entry, variants

_COLUMNS = ("Method", "Divergence (95 %)", "Same answers (95 %)", "Time", "Paper")
_READING = (
    "Judged on validation images, never on test images. The divergence is the mean Kullback-Leibler divergence of the "
    "class probabilities from those of the original. Less is better, and it tells methods apart long before their "
    "answers differ. A method that was solved before takes no time again."
)
_ROLES = {"auto": " (what auto uses)", "control": " (control)"}


class ContestPanel(Panel):
    """Tries every method of one step of the recipe at the settings where it stands; the sliders stay usable."""

    title = "Compare methods"
    folded = "the comparison"

    def build(self) -> None:
        self.choice = ipw.Dropdown(options=(), description="Step")
        self.go = ipw.Button(description="Compare methods", tooltip="Try every method of this step")
        self.work = Work(self, self.engine.contest.cancel, "Stop; what was finished stays", self._ends)
        self.figure: go.FigureWidget | None = None
        self._plot = ipw.VBox()
        columns = [{"title": title, "number": title in _COLUMNS[1:4]} for title in _COLUMNS]
        self.table = Table(columns, {"Use": self._use}, empty="")
        self._nothing = ipw.HTML(
            '<p class="dsw-quiet">Tick a technique with several methods, such as weight pruning or weight bits.</p>'
        )
        self._about = ipw.HTML()
        self._shown = ipw.VBox([self._about, self._plot, self.table, ipw.HTML(f'<p class="dsw-quiet">{_READING}</p>')])
        self._choose = ipw.VBox([self.choice, buttons(self.go, self.work.stop)])
        self.show(self._nothing, self._choose, *self.work.shown, self._shown)
        self.go.on_click(lambda _: self._start())
        self._entries: list[Entry] = []
        self._info, self._of = ContestInfo(), 1
        self.follow(self._offer, ["recipe"])
        self.follow(self._clear, ["model", "data"])
        self.follow(self._dress, ["dark"], of=self.state.page)

    def _offer(self) -> None:
        steps = self.state.recipe.steps
        options = [(f"{number + 1}. {step.title}", number) for number, step in enumerate(steps) if step.rivals]
        if tuple(options) != tuple(self.choice.options):
            numbers, before = [number for _, number in options], self.choice.value
            self.choice.options = options
            self.choice.value = before if before in numbers else next(iter(numbers), None)
        self._choose.layout.display = None if options else "none"
        self._nothing.layout.display = "none" if options else None

    def _clear(self) -> None:
        """Another network: what is known of the methods does not hold for it."""
        self.work.forget()
        self._shown.layout.display = "none"

    def _start(self) -> None:
        with self.state.lock:
            steps, number = self.state.recipe.steps, self.choice.value
            if number is not None:
                self._begin(steps, number)

    def _begin(self, steps: tuple[Step, ...], number: int) -> None:
        step = steps[number]
        before = recipe_text(Recipe(steps[:number]))
        listener = self.work.begin(self._progress)
        self._entries, self._of = [], len(variants(step))
        self._renew()
        self._about.value = f"<p>{escape(capitalised(str(step)))}, applied to {escape(before)}:</p>"
        self._shown.layout.display = None
        latest = self.work.latest
        self.engine.contest.compare(number, latest(self._entry), latest(self._draw), listener)

    def _progress(self, news: Progress) -> None:
        done, words = len(self._entries), news.message
        self.work.tell(
            (done + news.fraction) / self._of, words and f"method {min(done + 1, self._of)} of {self._of}: {words}"
        )

    def _entry(self, entry: Entry) -> None:
        self._entries.append(entry)
        self.work.bar.value = len(self._entries) / self._of
        self._draw(None)

    def _renew(self) -> None:
        """Put an empty figure, and an empty table, in the place of those of the last contest."""
        last, self.figure = self.figure, contest_figure(self._of, self.state.page.dark)
        self._plot.children = [self.figure]
        if last is not None:
            last.close()
        self._draw(None)

    def _draw(self, auto: Step | None) -> None:
        self._info = contest_info(self._entries, auto)
        draw_(self.figure, self._info)
        self.table.rows = [
            {"key": str(number), "cells": cells(rival)} for number, rival in enumerate(self._info.rivals)
        ]

    def _ends(self, outcome: Outcome) -> str:
        return {
            Outcome.DONE: f"done: {len(self._entries)} methods on {self._info.images} validation images",
            Outcome.CANCELLED: "cancelled; what was finished is shown",
            Outcome.FAILED: "failed",
        }[outcome]

    def _use(self, key: str) -> None:
        """Put the method of a row into the first step of the recipe that is of its technique."""
        if not (key.isdecimal() and int(key) < len(self._info.rivals)):
            return
        wanted = self._info.rivals[int(key)].step
        steps = list(self.state.recipe.steps)
        same = [number for number, step in enumerate(steps) if step.name == wanted.name]
        if not same:
            return
        number = self.choice.value if self.choice.value in same else same[0]
        decided = {name: getattr(wanted, name) for name in wanted.rivals[0]}
        steps[number] = dataclasses.replace(steps[number], **decided)
        self.state.put(recipe=Recipe(tuple(steps)))

    def _dress(self) -> None:
        if self.figure is not None:
            with updating(self.figure):
                self.figure.update_layout(theme.plot_layout(self.state.page.dark))


def cells(rival: Rival) -> list[dict[str, object]]:
    """Return the cells of a row: what is shown, and what is compared when the table is sorted."""
    return [
        {"text": rival.title + _ROLES.get(rival.role, ""), "sort": rival.title},
        {"text": divergence_text(rival), "sort": min(rival.divergence, 1e300)},  # JSON has no infinity
        {
            "text": f"{percent(rival.agreement)} ({100 * rival.low:.1f} to {100 * rival.high:.1f} %)",
            "sort": rival.agreement,
        },
        {"text": f"{rival.seconds:.1f} s", "sort": rival.seconds},
        {"text": rival.paper.removeprefix("https://"), "sort": rival.paper, "href": rival.paper},
    ]
