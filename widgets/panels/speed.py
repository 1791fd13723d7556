"""Speed, measured when asked: both networks in torch and as files in onnxruntime, and why it is not faster."""

from __future__ import annotations

import ipywidgets as ipw

from widgets.background import Outcome
from widgets.panels._panel import Panel, buttons
from widgets.panels._work import Work
from widgets.table import Table
from widgets.text import escape, percent, recipe_text
from workbench.checkup import Checkup
from workbench.diagnosing import Finding
from workbench.resources import PROCESSORS
from workbench.result import Estimate, Result
from workbench.timing.speed import Lane, LayerTime, Speed

_SHORT_MS = 0.1
_RUNTIMES = {
    "torch": "torch, float32",
    "onnx": "onnxruntime, float32",
    "onnx-int8": "onnxruntime, integers",
}
_ENDS = {
    Outcome.DONE: "done",
    Outcome.CANCELLED: "cancelled, by the button or by moving a slider",
    Outcome.FAILED: "failed",
}
_LANES = ("Where it runs", "Compared with (95 %)", "Now (95 %)", "Times as fast (95 %)", "Verdict")
_LAYERS = ("Layer", "Compared with", "Now", "Share of now")
_READING = (
    "<details><summary>How this is measured</summary>Both networks run in turns, in an order drawn anew in each round, "
    "so that whatever disturbs the computer disturbs both. Times are medians, their intervals those of a median; the "
    "ratio is the median over the rounds. A yardstick of constant work runs along: where it scatters, the computer was "
    "too busy to tell. One measurement runs at a time, also between kernels, and moving a slider stops it. torch runs "
    "without rounding activations, which it would only simulate. Files of integers are compared with the original in "
    "float32. Times of layers carry some microseconds of the "
    "clock.</details>"
)


class SpeedPanel(Panel):
    """Measures the present point beside its original or a saved row, and shows what the doctor says."""

    title = "Speed, and why it is not faster"
    folded = "the speed"

    def build(self) -> None:
        self.against = ipw.Dropdown(options=[("the original", "")], value="", description="Compare with")
        self.batch = ipw.Dropdown(options=[1, 8, 32, 128], value=1, description="Images at a time")
        self.threads = ipw.Dropdown(options=sorted({1, PROCESSORS}), value=1, description="Threads")
        self.go = ipw.Button(description="Measure", tooltip="Takes some seconds; nothing else is computed meanwhile")
        self.work = Work(self, self.engine.speed.cancel, "Stop measuring", _ENDS.__getitem__)
        self.about, self.findings = ipw.HTML(), ipw.HTML()
        self.lanes = Table([{"title": title, "number": title in _LANES[1:4]} for title in _LANES], {}, empty="")
        self.layers = Table([{"title": title, "number": title in _LAYERS[1:]} for title in _LAYERS], {}, empty="")
        fold = ipw.HTML("<h3>Layers in torch</h3>")
        self._shown = ipw.VBox(
            [self.about, self.lanes, ipw.HTML("<h3>What holds it back</h3>"), self.findings, fold, self.layers]
        )
        choices = ipw.VBox([self.against, self.batch, self.threads, buttons(self.go, self.work.stop)])
        self.show(choices, *self.work.shown, self._shown, ipw.HTML(_READING))
        self.go.on_click(lambda _: self._start())
        self._shown.layout.display = "none"
        self.follow(self._offer, ["saved", "baseline"])
        self.follow(self._ready, ["busy", "current", "error"])
        self.follow(self._age, ["model", "data", "recipe"])

    def _offer(self) -> None:
        rows = {row.key: str(row.job.recipe) for row in self.state.saved}
        options = [("the original", ""), *((title, key) for key, title in rows.items())]
        if tuple(options) != tuple(self.against.options):
            before = self.against.value
            self.against.options = options
            self.against.value = before if before in rows else ""

    def _ready(self) -> None:
        row: Result | None = self.state.current
        self.go.disabled = self.state.busy or row is None or not row.final

    def _age(self) -> None:
        """Say that what is shown is of an earlier choice."""
        self._shown.add_class("dsw-stale")

    def _start(self) -> None:
        with self.state.lock:
            chosen = next((row.job for row in self.state.saved if row.key == self.against.value), None)
            listener = self.work.begin()
            measured = self.work.latest(self._measured)
            self.engine.speed.measure(chosen, self.batch.value, self.threads.value, measured, listener)

    def _measured(self, found: Checkup) -> None:
        self._shown.remove_class("dsw-stale")
        self._shown.layout.display = None
        self.about.value = about(found)
        self.lanes.rows = [{"key": lane.name, "cells": lane_cells(lane, found.speed)} for lane in found.speed.lanes]
        self.layers.rows = layer_rows(found.speed)
        self.findings.value = findings_html(found.findings)


def about(found: Checkup) -> str:
    """Return of what the numbers are, how quiet the machine was, and what was left out, as HTML."""
    speed = found.speed
    now, base = (recipe_text(job.recipe) for job in (found.job, found.against))
    images = "1 image" if speed.batch == 1 else f"{speed.batch} images"
    threads = "1 thread" if speed.threads == 1 else f"{speed.threads} threads"
    quiet = f"a yardstick of constant work scattered by {percent(speed.noise - 1, 0)} meanwhile"
    verdict = (
        f"<b>The computer was too busy to tell: {quiet}.</b> Measure again when it is quieter."
        if speed.noisy
        else f"The computer was quiet enough: {quiet}."
    )
    notes = "".join(f"<li>{escape(note)}</li>" for note in found.notes)
    return f"<p>{escape(now)}, compared with {escape(base)}; {images} at a time, {threads}. {verdict}</p>" + (
        f"<ul>{notes}</ul>" if notes else ""
    )


def lane_cells(lane: Lane, speed: Speed) -> list[dict[str, object]]:
    """Return the cells of a runtime."""
    return [
        {"text": _RUNTIMES.get(lane.name, lane.name), "sort": lane.name},
        {"text": ms_text(lane.base), "sort": lane.base.value},
        {"text": ms_text(lane.now), "sort": lane.now.value},
        {
            "text": f"{lane.faster.value:.2f} ({lane.faster.low:.2f} to {lane.faster.high:.2f})",
            "sort": lane.faster.value,
        },
        {"text": verdict(lane, speed), "sort": lane.faster.value},
    ]


def verdict(lane: Lane, speed: Speed) -> str:
    """Return in words what the measurement allows to say."""
    if speed.noisy:
        return "too noisy to tell"
    if not lane.differs:
        return "no difference that could be measured"
    return "faster" if lane.faster.low > 1 else "slower"


def ms_text(estimate: Estimate) -> str:
    """Return a time with its interval: `2.27 ms (2.26 to 2.28)`, in microseconds below a tenth of a millisecond."""
    times, unit = (1000, "µs") if estimate.value < _SHORT_MS else (1, "ms")
    value, low, high = (times * end for end in (estimate.value, estimate.low, estimate.high))
    return f"{value:.3g} {unit} ({low:.3g} to {high:.3g})"


def layer_rows(speed: Speed) -> list[dict[str, object]]:
    """Return a row for each module, with its share of the time of the compressed network as a bar."""
    whole = sum(found.now.value for found in speed.layers.values() if found.now is not None)
    return [{"key": name or "-", "cells": _layer_cells(name, found, whole)} for name, found in speed.layers.items()]


def _layer_cells(name: str, found: LayerTime, whole: float) -> list[dict[str, object]]:
    def cell(estimate: Estimate | None) -> dict[str, object]:
        if estimate is None:
            return {"text": "–", "sort": None}
        return {"text": ms_text(estimate).partition(" (")[0], "sort": estimate.value}

    share = found.now.value / whole if found.now is not None and whole else 0.0
    return [
        {"text": name or "between layers", "sort": name},
        cell(found.base),
        cell(found.now),
        {"text": percent(share), "sort": share, "bar": share},
    ]


def findings_html(findings: tuple[Finding, ...]) -> str:
    """Return what the doctor says as an ordered list, the dearest cause first."""
    if not findings:
        return "<p>Nothing that the doctor knows: what is left of the time is the work that is left.</p>"
    return f'<ol class="dsw-findings">{"".join(map(_finding_html, findings))}</ol>'


def _finding_html(finding: Finding) -> str:
    worth = ""
    if finding.ms is not None and finding.ms.value > 0:
        reach = f"{finding.ms.low:.2g} to {finding.ms.high:.2g}"
        worth = f' <span class="dsw-quiet">about {finding.ms.value:.2g} ms ({reach}, {finding.ms.how})</span>'
    return (
        f"<li><b>{escape(finding.title)}</b>{worth}<br>{escape(_sentence(finding.sentence))} "
        f"<i>{escape(_sentence(finding.advice))}</i></li>"
    )


def _sentence(text: str) -> str:
    return f"{text[:1].upper()}{text[1:]}."
