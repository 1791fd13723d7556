"""Taking the network away: a file that runs elsewhere, tried on all test images before it is offered."""

from __future__ import annotations

import re

import ipywidgets as ipw

from widgets.background import Outcome
from widgets.download import DownloadButton
from widgets.panels._panel import Panel, buttons
from widgets.panels._work import Work
from widgets.table import Table
from widgets.text import escape, quantity
from workbench.delivery import Delivered
from workbench.registry import exports
from workbench.result import Estimate

_ENDS = {
    Outcome.DONE: "done: the file was run on all test images",
    Outcome.CANCELLED: "cancelled; no file was kept",
    Outcome.FAILED: "failed; no file was kept",
}
_COLUMNS = ("Format", "Size", "Same answers", "Difference", "Accuracy", "Took")
_READING = (
    "<details><summary>How a file is checked</summary>It is written, loaded again by the program that it is for, and "
    "run on every test image. Same answers are those with the same highest score as the preview; the difference is "
    "the largest of any score. Accuracy is that of the file. In brackets are 95 % intervals; what a file took is the "
    "time to write it. A file that answers otherwise on more than 0.1 % of the images "
    "says so, and one that does on more than 10 % is not handed over.</details>"
)
_PROVISIONAL = "This point still stands on a provisional network: the file is offered when it is solved."
_MEASURING = "This point is still being measured: the file is offered when it is done."
_NOTHING = "There is no network to write: see the message at the model."


class ExportPanel(Panel):
    """Writes the present point in one of the formats; the sliders stay usable meanwhile."""

    title = "Export"
    folded = "the formats"

    def build(self) -> None:
        self._formats = {format.name: format for format in exports}
        options = [(format.title, format.name) for format in self._formats.values()]
        first = "code" if "code" in self._formats else options[0][1]
        self.choice = ipw.Dropdown(options=options, value=first, description="Format")
        self.about = ipw.HTML()
        self.go = ipw.Button(description="Export", tooltip="Write the file and try it on all test images")
        patience = "; a library that is writing is waited for"
        self.work = Work(self, self.engine.export.cancel, "Stop; no file is kept", _ENDS.__getitem__, patience)
        self.waits = ipw.HTML()
        columns = [{"title": title, "number": title in _COLUMNS[1:]} for title in _COLUMNS]
        self.table = Table(columns, {"Download": self._download}, empty="")
        self.notes = ipw.HTML()
        self._hands = DownloadButton("", lambda: None)  # its place is not seen: rows of the table ask for files
        self._hands.layout.display = "none"
        self.show(
            ipw.VBox([self.choice, self.about, buttons(self.go, self.work.stop)]),
            *(self.waits, *self.work.shown, self.table, self.notes, self._hands, ipw.HTML(_READING)),
        )
        self._made: dict[str, Delivered] = {}
        self.go.on_click(lambda _: self._start())
        self.follow(self._describe, ["value"], of=self.choice)
        self.follow(self._ready, ["busy", "current"])
        self.follow(self._ready, ["running"], of=self.work)
        self.follow(self._draw, ["model", "data", "recipe", "seed"])

    def _describe(self) -> None:
        chosen = self._formats[self.choice.value]
        self.about.value = about(chosen.summary, chosen.runtime, chosen.suffix, chosen.hurts_when)
        if chosen.suffix == ".onnx":
            self.engine.export.warm()

    def _ready(self) -> None:
        row = self.state.current
        ready = row is not None and row.final and not self.state.busy
        waits = _PROVISIONAL if row is not None and row.provisional else _MEASURING if self.state.busy else _NOTHING
        self.go.disabled = self.work.running or not ready
        self.waits.value = "" if ready else f'<p class="dsw-quiet">{escape(waits)}</p>'

    def _start(self) -> None:
        with self.state.lock:
            if not self.go.disabled:
                listener = self.work.begin()
                self.engine.export.export(self.choice.value, self.work.latest(self._delivered), listener)

    def _delivered(self, made: Delivered) -> None:
        self._made[made.path.name] = made
        self._draw()

    def _draw(self) -> None:
        """Show the files that were made of the present point."""
        present = [made for made in self._made.values() if made.job == self.state.job]
        self.table.rows = [{"key": made.path.name, "cells": cells(made, self._called(made))} for made in present]
        notes = [f"{self._called(made)}: {note}" for made in present for note in made.notes]
        self.notes.value = f"<ul>{''.join(f'<li>{escape(note)}</li>' for note in notes)}</ul>" if notes else ""

    def _called(self, made: Delivered) -> str:
        return self._formats[made.format].title

    def _download(self, key: str) -> None:
        made = self._made.get(key)
        if made is not None:
            name, refused = file_name(made), self.locked(self.work.alert.tell)
            self.work.alert.tell("")
            self.engine.export.fetch(made, lambda content: self._hands.deliver(name, content), refused)


def about(summary: str, runtime: str, suffix: str, hurts_when: str) -> str:
    """Return what a person should know before choosing a format, as HTML."""
    careful = f'<p class="dsw-quiet">{escape(hurts_when)}</p>' if hurts_when else ""
    return f"<p>{escape(summary)} File: <code>{escape(suffix)}</code>, runs in {escape(runtime)}.</p>{careful}"


def file_name(made: Delivered) -> str:
    """Return what a browser should call a file: names of models come from anybody."""
    return re.sub(r"[^A-Za-z0-9.-]+", "-", made.job.model.name).strip("-.")[-60:] + made.path.suffix


def cells(made: Delivered, title: str) -> list[dict[str, object]]:
    """Return the cells of a file: what is shown, and what is compared when the table is sorted."""
    runs = f"{title}, in {made.runtime}"
    return [
        {"text": runs if made.faithful else f"{runs}: differs from the preview", "sort": title},
        {"text": quantity(made.size_bytes, "bytes"), "sort": made.size_bytes},
        {"text": _share(made.agreement, 2), "sort": made.agreement.value},
        {"text": "none" if made.difference == 0 else f"{made.difference:.2g}", "sort": made.difference},
        {"text": _share(made.accuracy), "sort": made.accuracy.value},
        {"text": f"{made.seconds:.1f} s" if made.seconds >= 0.1 else "< 0.1 s", "sort": made.seconds},
    ]


def _share(estimate: Estimate, digits: int = 1) -> str:
    """Return a share with its interval, in few letters: 1.0 is `100 % (99.4 to 100)`."""
    value, low, high = (
        f"{100 * x:.{d}f}".removesuffix("0" * d).removesuffix(".") if x == 1 else f"{100 * x:.{d}f}"
        for x, d in ((estimate.value, digits), (estimate.low, 1), (estimate.high, 1))
    )
    return f"{value} % ({low} to {high})"
