"""What a person can afford: a slider along the best plans for every file size, and compression by itself."""

from __future__ import annotations

import dataclasses
import math
from reprlib import repr as brief

import ipywidgets as ipw

from widgets.background import Outcome
from widgets.figures import attempts as plot
from widgets.panels._panel import Panel, buttons, line
from widgets.panels._work import Work
from widgets.table import Table
from widgets.text import escape, quantity
from workbench.auto import Attempt, ending
from workbench.devices.shelf import devices
from workbench.errors import Refused
from workbench.result import Status
from workbench.search.contender import Contender
from workbench.search.limits import Limits
from workbench.search.plan import Plan

_COLUMNS = ("Tried", "File", "Points lost (95 %)", "Nats (95 %)", "Within limits?")
_KINDS = {"plan": "plan", "uniform": "uniform", "trained": "trained", "over": "beyond"}
_NOWHERE = ("anywhere", "")
_NO_PLAN = ("–", -1)
_READING = (
    "<details><summary>How this works</summary>Each layer is measured alone at a few settings; over these the best "
    "choice for all layers is solved exactly, then made for real, packed and measured as a whole, since what single "
    "layers lose need not add up. Beside it stand the best uniform settings of the same size: the control, which "
    "sometimes wins. Everything here is judged on validation images; only the best so far is measured on the test "
    "images, and becomes a saved point of the plot above. Nats say how far the answers moved from the original's: they "
    "tell networks apart long before answers flip. Click a point or a row to put its recipe into the sliders.</details>"
)


class BudgetPanel(Panel):
    """Limits, a slider of sizes, and the button that does the rest. Nothing runs before a button is pressed."""

    title = "What can you afford?"
    folded = "the search"

    def build(self) -> None:
        self.size = _limit("File at most (kB)", "thousand bytes of the packed file; empty for no limit")
        self.lose = _limit("Points to lose", "points of accuracy, on validation images; empty for no limit", "0.5")
        self.macs = _limit("MACs at most (M)", "millions of multiply-adds for one image; empty for no limit")
        self.memory = _limit("Memory (kB)", "thousand bytes of activations; empty for no limit")
        self.device = ipw.Dropdown(options=[_NOWHERE, *_devices()], value="", description="Runs on")
        self.latency = _limit("ms there", "of one image, modelled; empty for no limit")
        self.minutes = ipw.BoundedFloatText(value=5, min=0.1, max=600, step=1, description="Minutes at most")
        self.train = ipw.Checkbox(value=True, description="It may train", indent=False)
        self.protected = ipw.SelectMultiple(options=(), rows=4, description="Leave as they are")
        self.protected.tooltip = "layers that no plan may touch"
        self.go = ipw.Button(
            description="Auto-compress", button_style="primary", tooltip="Search within the limits, by itself"
        )
        self.prepare = ipw.Button(
            description="Prepare the size slider", tooltip="Measure the layers and solve the best plan for every size"
        )
        self.work = Work(self, self.engine.searching.cancel, "Stop within a batch; the best is kept", self._ends)
        self.slider, self._place = ipw.SelectionSlider(options=[_NO_PLAN], value=-1), ipw.VBox()
        self.told, self.outcome = ipw.HTML(), ipw.HTML()
        described = [{"title": title, "number": 0 < index < 4} for index, title in enumerate(_COLUMNS)]
        self.table = Table(described, {}, empty="Nothing tried yet.", picked=self._pick)
        self.figure = plot.attempts_figure(self.state.page.dark)
        self._plot = ipw.VBox()
        self._plans: tuple[Plan, ...] = ()
        self._tried: list[Contender] = []
        self._attempts: list[Attempt] = []
        self._limits: Limits | None = None
        self._shown: tuple[plot.Point, ...] = ()
        limits = ipw.VBox([self.size, self.lose, self.device, self.latency])
        more = ipw.VBox([self.macs, self.memory, self.minutes, self.train, self.protected])
        columns = ipw.Box([limits, more])
        columns.add_class("dsw-limits")
        self.show(
            columns,
            buttons(self.go, self.prepare, self.work.stop),
            *self.work.shown,
            self._place,
            self.told,
            self.outcome,
            self._plot,
            self.table,
            ipw.HTML(_READING),
        )
        self.go.on_click(lambda _: self._auto())
        self.prepare.on_click(lambda _: self._prepare())
        self._renew_slider()
        for trace in self.figure.data:
            trace.on_click(self._clicked)
        self.follow(self._ready, ["running"], of=self.work)
        self.follow(self._ready, ["baseline"])
        self.follow(self._offer, ["layers"])
        self.follow(self._forget, ["model", "data", "seed"])
        self.follow(self._unfold, ["value"], of=self.opened)
        self.follow(self._tell, ["recipe"])
        self.follow(lambda: plot.dress_(self.figure, self.state.page.dark), ["dark"], of=self.state.page)

    def limits(self) -> Limits:
        """Return the limits as they are typed; raises `Refused` where there are none, or one is no such number."""
        return Limits(
            size_bytes=_typed(self.size, 1000),
            macs=_typed(self.macs, 1e6),
            peak_memory=_typed(self.memory, 1000),
            latency_ms=_typed(self.latency, 1),
            device=self.device.value,
            drop=_typed(self.lose, 0.01, least=True),
        )

    def _auto(self) -> None:
        if self.work.running:
            return
        try:
            limits = self.limits()
        except Refused as refusal:
            self.work.alert.tell(str(refusal))
            return
        with self.state.lock:
            self._limits, self._attempts, self._tried = limits, [], []
            self.outcome.value = ""
            self._draw()
            listener, heard = self.work.begin(), self.work.latest(self._attempted)
            self.engine.searching.auto(
                limits, 60 * self.minutes.value, self.train.value, frozenset(self.protected.value), heard, listener
            )

    def _prepare(self) -> None:
        if self.work.running:
            return
        with self.state.lock:
            self._limits, self._attempts, self._tried = None, [], []
            self.outcome.value = ""
            self._draw()
            listener, latest = self.work.begin(), self.work.latest
            protected = frozenset(self.protected.value)
            self.engine.searching.plan(protected, latest(self._solved), latest(self._made), listener)

    def _solved(self, plans: tuple[Plan, ...]) -> None:
        self._plans = plans
        self._renew_slider()
        self._tell()

    def _renew_slider(self) -> None:
        """Put a slider along the plans in the place of the last one: in one that gets other ends, End keeps the old."""
        last = self.slider
        sizes = [(quantity(plan.costs["size_bytes"], "bytes"), number) for number, plan in enumerate(self._plans)]
        self.slider = ipw.SelectionSlider(
            options=[_NO_PLAN, *sizes], value=-1, description="Size budget", disabled=not self._plans
        )
        self.slider.observe(lambda change: self._slide(change.new), "value")
        self._place.children = (self.slider,)
        last.close()

    def _made(self, _number: int, contender: Contender) -> None:
        # a file of 11.5 kB by a plan for 11.1 kB is beyond no limit of the person's: none was set
        self._tried.append(dataclasses.replace(contender, keeps=True))
        self._draw()

    def _attempted(self, attempt: Attempt) -> None:
        self._attempts.append(attempt)
        self._tried.append(attempt.contender)
        self._draw()

    def _slide(self, number: int) -> None:
        with self.state.lock:
            if 0 <= number < len(self._plans) and self.state.recipe != self._plans[number].recipe:
                self.state.put(recipe=self._plans[number].recipe)

    def _tell(self) -> None:
        at = next((n for n, plan in enumerate(self._plans) if plan.recipe == self.state.recipe), -1)
        if self.slider.value != at:
            self.slider.value = at
        self.told.value = line(plan_text(self._plans[at]) if at >= 0 else _invitation(bool(self._plans)))

    def _draw(self) -> None:
        if self.opened.value:
            self._shown = plot.points(self._tried)
            plot.draw_(self.figure, self._shown)
            self.table.rows = [row(n, each) for n, each in enumerate(self._tried)]
            self._plot.children = (self.figure,) if self._tried else ()

    def _pick(self, key: str) -> None:
        number = int(key)
        if 0 <= number < len(self._tried):
            self.table.selected = key
            self.state.put(recipe=self._tried[number].recipe)

    def _clicked(self, trace: object, points: object, _: object) -> None:
        mine = plot.of_kind(self._shown, plot.KINDS[points.trace_index])
        if points.point_inds and points.point_inds[0] < len(mine):
            self._pick(str(mine[points.point_inds[0]].number))

    def _ends(self, outcome: Outcome) -> str:
        if self._limits is None:
            words = {
                Outcome.DONE: "done: the slider moves along the best plans",
                Outcome.CANCELLED: "cancelled; what was measured is kept",
                Outcome.FAILED: "failed",
            }
            return words[outcome]
        found = ending(self._attempts, self._limits, stopped=outcome is Outcome.CANCELLED)
        self.outcome.value = f"<ul>{''.join(f'<li>{escape(each)}</li>' for each in found.sentences)}</ul>"
        if found.best is not None:
            self.table.selected = str(self._attempts.index(found.best))
            self.state.put(recipe=found.best.contender.recipe)
            return "stopped: the best so far is a saved point" if outcome is Outcome.CANCELLED else "done: see below"
        return {
            Outcome.DONE: "done: nothing keeps to these limits",
            Outcome.CANCELLED: "cancelled before anything was found",
            Outcome.FAILED: "failed",
        }[outcome]

    def _ready(self) -> None:
        self.go.disabled = self.prepare.disabled = self.work.running or self.state.baseline is None

    def _offer(self) -> None:
        kept = [name for name in self.protected.value if name in self.state.layers]
        self.protected.options = self.state.layers
        self.protected.value = kept

    def _forget(self) -> None:
        """Forget what was found for another network."""
        self.work.forget()
        self._plans, self._tried, self._attempts = (), [], []
        self._renew_slider()
        self.outcome.value = ""
        self._tell()
        self._draw()

    def _unfold(self) -> None:
        self._draw()


def plan_text(plan: Plan) -> str:
    """Return in a sentence what a plan promises."""
    if plan.status is not Status.OK:
        return plan.message
    proof = "no better choice exists" if plan.gap <= 1e-9 else f"at most {plan.gap:.2g} nats from the best choice"
    return (
        f"The best plan for {quantity(plan.costs['size_bytes'], 'bytes')}, by its forecast of {plan.loss:.3g} nats "
        f"({proof} by that forecast); what it really takes and loses is measured above."
    )


def row(number: int, each: Contender) -> dict[str, object]:
    """Return a row of the table."""
    drop, nats = each.trial.judgement.drop, each.trial.judgement.divergence
    size = each.costs["size_bytes"]
    lost = f"{100 * drop.value:.2f} ({100 * drop.low:.2f} to {100 * drop.high:.2f})".replace("-", "−")
    cells = [
        {"text": each.title, "sort": each.title, "hint": str(each.recipe)},
        {"text": quantity(size, "bytes"), "sort": size},
        {"text": lost, "sort": drop.value},
        {"text": f"{nats.value:.3g} ({nats.low:.2g} to {nats.high:.2g})", "sort": nats.value},
        {"text": "yes" if each.keeps else "no", "sort": str(each.keeps)},
    ]
    return {"key": str(number), "cells": cells}


def _invitation(solved: bool) -> str:
    if solved:
        return "Drag the size budget: each position is the best plan for that size."
    return "Say what you can afford and press Auto-compress, or prepare the slider first."


def _limit(title: str, hint: str, value: str = "") -> ipw.Text:
    return ipw.Text(value=value, description=title, placeholder="no limit", tooltip=hint, continuous_update=False)


def _typed(field: ipw.Text, unit: float, *, least: bool = False) -> float | None:
    """Return what is typed into a field, None where it is empty; `least` takes 0 as well. Raises `Refused`."""
    text = field.value.strip()
    if not text:
        return None
    try:
        value = float(text.replace("−", "-"))
    except ValueError:
        value = math.nan
    if not math.isfinite(value) or value < 0 or (value == 0 and not least):
        words = "0 or more" if least else "above 0"
        raise Refused(f"{field.description!r} takes a number {words}, or nothing for no limit, got {brief(text)}")
    return value * unit


def _devices() -> list[tuple[str, str]]:
    try:
        return [(profile.title, profile.name) for profile in devices()]
    except Refused:
        return []  # a wrong file of the user's: the table of devices says which
