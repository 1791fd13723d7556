"""The plot of accuracy against cost, the numbers of the present point, and its file."""

from __future__ import annotations

import ipywidgets as ipw

from widgets import theme
from widgets.download import DownloadButton
from widgets.figures._live import updating
from widgets.figures.tradeoff import axes, draw_, summary, tradeoff_figure, tradeoff_info
from widgets.panels._panel import Panel, buttons
from widgets.state import AppState
from widgets.text import escape, estimate_text, interval, label
from workbench.result import Estimate, Result


class TradeoffPanel(Panel):
    """Where the present recipe stands among the original, the saved points and the front that none of them beats."""

    def __init__(self, state: AppState | None = None) -> None:
        super().__init__("Accuracy against size", state)
        options = [(title, name) for name, title in axes().items()]
        self.axis = ipw.Dropdown(options=options, value="size_bytes", description="Against")
        self.numbers = ipw.HTML()
        self.save = ipw.Button(description="Save this point", tooltip="Keep the row and its file")
        self.download = DownloadButton("Download the packed file", self._file, self._refused)
        self._told = ipw.HTML()
        self._notes = ipw.HTML()
        self._info = tradeoff_info(None, None)
        self.figure = tradeoff_figure(self._info, self.state.page.dark)
        self.show(self.axis, self.figure, self._told, self.numbers, buttons(self.save, self.download), self._notes)
        for trace in self.figure.data:
            trace.on_click(self._restore)
        self.axis.observe(lambda _: self._draw(), "value")
        self.save.on_click(lambda _: self.state.current and self.engine.save(self.state.current))
        self.state.page.observe(lambda _: self._dress(), "dark")
        self.follow(self._draw, ["baseline", "current", "trail", "saved"])
        self.follow(self._write, ["baseline", "current", "busy"])

    def _draw(self) -> None:
        state = self.state
        self._info = tradeoff_info(state.baseline, state.current, state.trail, state.saved, self.axis.value)
        draw_(self.figure, self._info)

    def _write(self) -> None:
        row, base = self.state.current, self.state.baseline
        self._told.value = f'<p class="dsw-quiet" role="status">{escape(summary(self._info))}</p>'
        self.numbers.value = numbers_text(row, base, busy=self.state.busy) if row else ""
        self.save.disabled = self.download.disabled = row is None or not row.final
        self._notes.value = notes_text(row) if row else ""

    def _dress(self) -> None:
        with self.state.lock, updating(self.figure):
            self.figure.update_layout(theme.plot_layout(self.state.page.dark))

    def _restore(self, trace: object, points: object, _: object) -> None:
        marks = tuple(self._info.groups.values())[points.trace_index]
        if points.point_inds and points.point_inds[0] < len(marks):
            restore(self.state, marks[points.point_inds[0]].key)

    def _file(self) -> tuple[str, bytes]:
        row = self.state.current
        return f"{row.job.model.name.replace(':', '-')}-{row.key[:8]}.dsw", self.engine.file(row)

    def _refused(self, sentence: str) -> None:
        self.state.put(error=sentence)


def restore(state: AppState, key: str) -> None:
    """Set the sliders to the recipe of a known row."""
    rows = (*state.trail, *state.saved, *(row for row in (state.baseline,) if row))
    row = next((row for row in rows if row.key == key), None)
    if row is not None:
        state.put(recipe=row.job.recipe)


def numbers_text(row: Result, baseline: Result | None, *, busy: bool) -> str:
    """Return the estimates of a row as HTML, each with its interval or how it was obtained."""
    boxes = []
    titles = {"accuracy": "Accuracy"} | axes()
    first = ("accuracy", "size_bytes")
    for name in sorted(row.estimates, key=lambda name: (name not in first, name)):
        estimate = row.estimates[name]
        fraction = name == "accuracy"
        against = ""
        base = baseline.estimates.get(name) if baseline else None
        if base is not None and row is not baseline:
            against = _against(estimate, base, fraction=fraction)
        title = titles.get(name, label(name))
        told = f"{interval(estimate)} (95 %), {estimate.n:,} images" if fraction else estimate.how
        if fraction and busy:
            told += ", still counting"
        boxes.append(
            f'<div class="dsw-number" data-estimate="{escape(name)}" data-value="{estimate.value!r}">'
            f"<span>{escape(title)}</span>"
            f"<b>{estimate_text(estimate, fraction=fraction)}</b>"
            f"<span>{against}{told}</span></div>"
        )
    return f'<div class="dsw-numbers">{"".join(boxes)}</div>'


def _against(estimate: Estimate, base: Estimate, *, fraction: bool) -> str:
    if fraction:
        return f"{100 * (estimate.value - base.value):+.1f} points; "
    return f"{base.value / estimate.value:.1f} times less; " if 0 < estimate.value < base.value else ""


def notes_text(row: Result) -> str:
    """Return the notes and the byte ledger of a row as HTML."""
    notes = "".join(f"<li>{escape(note)}</li>" for note in row.notes)
    ledger = row.details.get("size_bytes", {})
    bytes_ = "".join(
        f'<tr><th scope=row>{escape(part)}</th><td class="number">{size:,}</td></tr>' for part, size in ledger.items()
    )
    total = f'<tr><th scope=row>file</th><td class="number">{sum(ledger.values()):,}</td></tr>' if ledger else ""
    return (f"<ul class=dsw-quiet>{notes}</ul>" if notes else "") + (
        f"<details><summary>Where the bytes go</summary><table>{bytes_}{total}</table></details>" if ledger else ""
    )
