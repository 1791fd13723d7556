"""The plot of accuracy against cost, the numbers of the present point, and its file."""

from __future__ import annotations

import ipywidgets as ipw

from widgets import theme
from widgets.download import DownloadButton
from widgets.figures._live import updating
from widgets.figures.tradeoff import axes, draw_, summary, tradeoff_figure, tradeoff_info
from widgets.panels._panel import Alert, Panel, buttons
from widgets.state import AppState
from widgets.text import escape, estimate_text, interval, label
from workbench.recipe import Recipe
from workbench.result import Estimate, Result

_READING = (
    "<details><summary>How to read this</summary>Bars are 95 % intervals for new images of the same kind. The line "
    "joins what nothing else here beats; the best of many tries on the same test images looks better than it is. "
    "Click a point to put its recipe back into the sliders.</details>"
)


class TradeoffPanel(Panel):
    """Where the present recipe stands among the original, the saved points and the front that none of them beats."""

    def __init__(self, state: AppState | None = None) -> None:
        super().__init__("Accuracy against cost", state)
        options = [(title, name) for name, title in axes().items()]
        self.axis = ipw.Dropdown(options=options, value="size_bytes", description="Cost")
        self.numbers = ipw.HTML()
        self.save = ipw.Button(description="Save this point", tooltip="Keep the row and its file")
        self.download = DownloadButton("Download the packed file", self._deliver)
        self.alert = Alert()
        self._told = ipw.HTML()
        self._notes = ipw.HTML()
        self._info = tradeoff_info(None, None)
        self.figure = tradeoff_figure(self._info, self.state.page.dark)
        actions = buttons(self.save, self.download)
        self.show(
            self.axis, self.figure, self._told, self.numbers, actions, self.alert, self._notes, ipw.HTML(_READING)
        )
        for trace in self.figure.data:
            trace.on_click(self._restore)
        self.save.on_click(lambda _: self._save())
        self.follow(self._dress, ["dark"], of=self.state.page)
        self.follow(self._draw, ["value"], of=self.axis)
        self.follow(self._draw, ["baseline", "current", "trail", "saved"])
        self.follow(self._write, ["baseline", "current", "busy"])

    def _draw(self) -> None:
        state = self.state
        self._info = tradeoff_info(state.baseline, state.current, state.trail, state.saved, self.axis.value)
        draw_(self.figure, self._info)
        self._told.value = f'<p class="dsw-quiet" role="status">{escape(summary(self._info))}</p>'

    def _write(self) -> None:
        row, base = self.state.current, self.state.baseline
        self.numbers.value = numbers_text(row, base, busy=self.state.busy) if row else ""
        self.save.disabled = self.download.disabled = row is None or not row.final
        self._notes.value = notes_text(row) if row else ""

    def _dress(self) -> None:
        with updating(self.figure):
            self.figure.update_layout(theme.plot_layout(self.state.page.dark))

    def _restore(self, trace: object, points: object, _: object) -> None:
        marks = tuple(self._info.groups.values())[points.trace_index]
        if points.point_inds and points.point_inds[0] < len(marks):
            restore(self.state, marks[points.point_inds[0]].key)

    def _save(self) -> None:
        row = self.state.current
        if row is not None and row.final:
            self.alert.tell("")
            self.engine.save(row, self.alert.tell)

    def _deliver(self) -> None:
        row = self.state.current
        if row is not None and row.final:
            self.alert.tell("")
            name = f"{row.job.model.name.replace(':', '-').replace('/', '-')}-{row.key[:8]}.dsw"
            self.engine.file(row, lambda content: self.download.deliver(name, content), self.alert.tell)


def restore(state: AppState, key: str) -> None:
    """Set the sliders to the recipe of a known row."""
    if state.baseline is not None and state.baseline.key == key:
        state.put(recipe=Recipe())
    for row in (*state.trail, *state.saved):
        if row.key == key:
            state.put(recipe=row.job.recipe)
            return


def numbers_text(row: Result, baseline: Result | None, *, busy: bool) -> str:
    """Return the estimates of a row as HTML, each with its interval or how it was obtained."""
    boxes = []
    titles = {"accuracy": "Accuracy"} | axes()
    first = ("accuracy", "size_bytes")
    for name in sorted(row.estimates, key=lambda name: (name not in first, name)):
        estimate = row.estimates[name]
        base = baseline.estimates.get(name) if baseline and row.key != baseline.key else None
        # a difference between some images and all of them would mislead
        against = _against(estimate, base) if base is not None and row.final else ""
        told = estimate.how
        if estimate.low < estimate.high:
            told = f"{interval(estimate)} (95 %)" + (f", {estimate.n:,} images" if estimate.n else "")
        if estimate.how != "counted" and busy:
            told += ", still counting"
        boxes.append(
            f'<div class="dsw-number" data-estimate="{escape(name)}" data-value="{estimate.value!r}">'
            f"<span>{escape(titles.get(name, label(name)))}</span>"
            f"<b>{estimate_text(estimate)}</b>"
            f"<span>{against}{told}</span></div>"
        )
    return f'<div class="dsw-numbers">{"".join(boxes)}</div>'


def _against(estimate: Estimate, base: Estimate) -> str:
    if estimate.unit == "fraction":
        return f"{100 * (estimate.value - base.value):+.1f} points; "
    if estimate.value == base.value or min(estimate.value, base.value) <= 0:
        return ""
    smaller = estimate.value < base.value
    ratio = base.value / estimate.value if smaller else estimate.value / base.value
    return f"{ratio:.1f} times {'less' if smaller else 'more'}; "


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
