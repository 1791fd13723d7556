"""Sweeps: many recipes in one go, their points on the plot as they come."""

from __future__ import annotations

import ipywidgets as ipw

from widgets.background import Outcome
from widgets.bridge.sweep import MOST_WORKERS
from widgets.panels._axis import AxisBox
from widgets.panels._panel import Panel, buttons, line
from widgets.panels._work import Work
from widgets.text import escape, recipe_text
from workbench.errors import Refused
from workbench.recipe import Recipe
from workbench.result import Result, Status
from workbench.search.pareto import front
from workbench.variation import combinations

_READING = (
    "<details><summary>What happens with them</summary>Each row is measured on all test images, saved, and a point on "
    "the plot; what is saved already is not measured again, so a sweep that was cancelled goes on where it stopped. "
    "The sliders stay usable. Processes are separate Pythons of low priority, each with one thread. The best of many "
    "tries on the same test images looks better than it is.</details>"
)
_SHOWN = 3


class SweepPanel(Panel):
    """Puts every combination of the values of one or two settings into the present recipe and measures them all."""

    title = "Sweep"
    folded = "the sweep"

    def build(self) -> None:
        self.axes = (AxisBox("Vary", "magnitude"), AxisBox("And vary"))
        places = [(title, name) for name, title in self.engine.sweep.places.items()]
        self.place = ipw.Dropdown(options=places, value="inline", description="Where")
        self.workers = ipw.IntSlider(
            value=min(2, MOST_WORKERS), min=1, max=MOST_WORKERS, description="Processes", tooltip="Jobs at once"
        )
        self.go = ipw.Button(description="Start", tooltip="Measure all of them; the sliders stay usable")
        self.work = Work(self, self.engine.sweep.cancel, "Stop; what was finished is saved", self._ends)
        self.about, self.outcome = ipw.HTML(), ipw.HTML()
        self._recipes: tuple[Recipe, ...] = ()
        self._rows: list[Result] = []
        self.show(
            *self.axes,
            self.place,
            self.workers,
            self.about,
            buttons(self.go, self.work.stop),
            *self.work.shown,
            self.outcome,
            ipw.HTML(_READING),
        )
        self.go.on_click(lambda _: self._start())
        for axis in self.axes:
            self.follow(self._count, ["value"], of=axis)
        self.follow(self._count, ["recipe"])
        self.follow(self._where, ["value"], of=self.place)
        self.follow(self._ready, ["running"], of=self.work)

    def _count(self) -> None:
        """Say how many there are, and of what."""
        base = self.state.recipe
        try:
            axes = [axis.value for axis in self.axes if axis.value is not None]
            self._recipes = combinations(base, axes) if axes else ()
        except Refused as refusal:
            self._recipes, words = (), str(refusal)
        else:
            recipes = "1 recipe" if len(self._recipes) == 1 else f"{len(self._recipes)} recipes"
            trains = ", each of which trains" if base.trains else ""
            words = f"{recipes}{trains}: these values put into {recipe_text(base)}."
        self.about.value = line(words if self._recipes else words if axes else "Choose what is to vary.")
        self._ready()

    def _where(self) -> None:
        self.workers.layout.display = None if self.place.value == "processes" else "none"

    def _ready(self) -> None:
        self.go.disabled = self.work.running or not self._recipes

    def _start(self) -> None:
        with self.state.lock:
            self._rows = []
            self.outcome.value = ""
            listener, measured = self.work.begin(), self.work.latest(self._measured)
            workers = self.workers.value if self.place.value == "processes" else 0
            self.engine.sweep.begin(self._recipes, self.place.value, workers, measured, listener)

    def _measured(self, row: Result) -> None:
        self._rows.append(row)

    def _ends(self, outcome: Outcome) -> str:
        self.outcome.value = outcome_text(self._rows)
        count = f"{sum(row.status is Status.OK for row in self._rows)} measured and saved"
        return {
            Outcome.DONE: f"done: {count}",
            Outcome.CANCELLED: f"cancelled: {count}; Start goes on with the rest",
            Outcome.FAILED: f"stopped: {count}",
        }[outcome]


def outcome_text(rows: list[Result]) -> str:
    """Return which rows are ahead of all others, and why some failed, as HTML."""
    best = front(rows)
    failed = [row for row in rows if row.status is not Status.OK]
    parts = []
    if best:
        parts.append(
            f"<p>{len(best)} of them {'is' if len(best) == 1 else 'are'} not beaten by another of the sweep.</p>"
        )
    if failed:
        items = "".join(f"<li>{escape(row.job.recipe)}: {escape(row.message)}</li>" for row in failed[:_SHOWN])
        more = f"<li>and {len(failed) - _SHOWN} more</li>" if len(failed) > _SHOWN else ""
        parts.append(f"<p>{len(failed)} failed:</p><ul>{items}{more}</ul>")
    unsaved = sorted({note for row in rows for note in row.notes if note.startswith("this result was not saved")})
    return "".join([*parts, *(f"<p>{escape(note)}</p>" for note in unsaved[:1])])
