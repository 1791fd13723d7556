"""The plot of accuracy against cost, the numbers of the present point, and its file."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import ipywidgets as ipw

from widgets import theme
from widgets.copy_link import CopyLink
from widgets.download import DownloadButton
from widgets.figures._live import updating
from widgets.figures.tradeoff import axes, draw_, summary, tradeoff_figure, tradeoff_info
from widgets.panels._panel import Alert, Panel, buttons, line
from widgets.state import AppState
from widgets.text import capitalised, escape, estimate_text, interval, label, points
from workbench.link import fragment
from workbench.recipe import Recipe
from workbench.registry import measures
from workbench.result import Estimate, Result

_READING = (
    "<details><summary>How to read this</summary>Bars are 95 % intervals for new images of the same kind. The line "
    "joins what nothing else here beats; the best of many tries on the same test images looks better than it is. "
    "Click a point to put its recipe back into the sliders; a ring marks it, and other panels mark it too. "
    "A hollow point is not yet what you asked for: it stands in while the network is solved for where the slider is."
    "</details>"
)


class TradeoffPanel(Panel):
    """Where the present recipe stands among the original, the saved points and the front that none of them beats."""

    title = "Accuracy against cost"

    def build(self) -> None:
        options = [(title, name) for name, title in axes().items()]
        self.axis = ipw.Dropdown(options=options, value="size_bytes", description="Cost")
        self.numbers = ipw.HTML()
        self.save = ipw.Button(description="Save this point", tooltip="Keep the row and its file")
        self.download = DownloadButton("Download the packed file", self._deliver)
        self.link = CopyLink(lambda: fragment(self.state.job))
        self.alert = Alert()
        self._told = ipw.HTML()
        self._doing = ipw.HTML()
        self._notes = ipw.HTML()
        self._info = tradeoff_info(None, None)
        self.figure = tradeoff_figure(self._info, self.state.page.dark)
        actions = buttons(self.save, self.link, self.download)
        self.show(
            self.axis,
            self.figure,
            self._doing,
            self._told,
            self.numbers,
            actions,
            self.alert,
            self._notes,
            ipw.HTML(_READING),
        )
        for trace in self.figure.data:
            trace.on_click(self._restore)
        self.save.on_click(lambda _: self._save())
        self.follow(self._dress, ["dark"], of=self.state.page)
        self.follow(self._draw, ["value"], of=self.axis)
        self.follow(self._draw, ["baseline", "current", "trail", "saved", "selected"])
        self.follow(self._write, ["baseline", "current", "busy"])
        self.follow(self._say, ["doing"])

    def _draw(self) -> None:
        state = self.state
        self._info = tradeoff_info(
            state.baseline, state.current, state.trail, state.saved, self.axis.value, state.selected
        )
        draw_(self.figure, self._info)
        self._told.value = line(summary(self._info))

    def _write(self) -> None:
        row, base = self.state.current, self.state.baseline
        self.numbers.value = numbers_text(row, base, busy=self.state.busy) if row else ""
        self.save.disabled = self.download.disabled = row is None or not row.final
        self._notes.value = notes_text(row) if row else ""

    def _say(self) -> None:
        self._doing.value = line(f"{capitalised(self.state.doing)} …" if self.state.doing else "")

    def _dress(self) -> None:
        with updating(self.figure):
            self.figure.update_layout(theme.plot_layout(self.state.page.dark))

    def _restore(self, trace: object, points: object, _: object) -> None:
        marks = tuple(self._info.groups.values())[points.trace_index]
        if points.point_inds and points.point_inds[0] < len(marks):
            key = marks[points.point_inds[0]].key
            self.state.put(selected=key)
            restore(self.state, key)

    def _save(self) -> None:
        row = self.state.current
        if row is not None and row.final:
            self.alert.tell("")
            self.engine.saved.save(row, self.alert.tell)

    def _deliver(self) -> None:
        row = self.state.current
        if row is not None and row.final:
            self.alert.tell("")
            name = f"{row.job.model.name.replace(':', '-').replace('/', '-')}-{row.key[:8]}.dsw"
            self.engine.saved.file(row, lambda content: self.download.deliver(name, content), self.alert.tell)


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
    titles = {measure.name: measure.title for measure in measures} | {"change": "Change"}
    first = ("accuracy", "change", "size_bytes")
    for name in sorted(row.estimates, key=lambda name: (first.index(name) if name in first else len(first), name)):
        estimate = row.estimates[name]
        if name == "change" and not row.job.recipe.steps:
            continue  # of the original from itself
        base = baseline.estimates.get(name) if baseline and row.key != baseline.key else None
        told = estimate.how
        if estimate.low < estimate.high:
            told = f"{_low_to_high(name, estimate)} (95 %)" + (f", {estimate.n:,} images" if estimate.n else "")
        if estimate.how != "counted" and busy:
            told += ", still counting"
        boxes.append(
            f'<div class="dsw-number" data-estimate="{escape(name)}" data-value="{estimate.value!r}">'
            f"<span>{escape(titles.get(name, label(name)))}</span>"
            f"<b>{points(estimate.value) if name == 'change' else estimate_text(estimate)}</b>"
            f"<span>{_against(estimate, base) if base else ''}{told}</span></div>"
        )
    look = "dsw-numbers dsw-provisional" if row.provisional else "dsw-numbers"
    return f'<div class="{look}">{"".join(boxes)}</div>'


def _against(estimate: Estimate, base: Estimate) -> str:
    if estimate.unit == "fraction" or estimate.value == base.value or min(estimate.value, base.value) <= 0:
        return ""  # a change in accuracy has a number of its own
    smaller = estimate.value < base.value
    ratio = base.value / estimate.value if smaller else estimate.value / base.value
    times = f"{ratio:.1f} times"
    return "" if times == "1.0 times" else f"{times} {'less' if smaller else 'more'}; "


def _low_to_high(name: str, estimate: Estimate) -> str:
    return f"points; {points(estimate.low)} to {points(estimate.high)}" if name == "change" else interval(estimate)


def notes_text(row: Result) -> str:
    """Return the notes and the byte ledger of a row as HTML."""
    notes = "".join(f"<li>{escape(note)}</li>" for note in row.notes)
    size = row.details.get("size_bytes", {})
    ledger = size.get("ledger", {})
    bytes_ = "".join(
        f'<tr><th scope=row>{escape(part)}</th><td class="number">{size:,}</td></tr>' for part, size in ledger.items()
    )
    total = f'<tr><th scope=row>file</th><td class="number">{sum(ledger.values()):,}</td></tr>' if ledger else ""
    return (f"<ul class=dsw-quiet>{notes}</ul>" if notes else "") + (
        f"<details><summary>Where the bytes go</summary><table>{bytes_}{total}</table>{_ratios(size)}</details>"
        if ledger
        else ""
    )


def _ratios(size: Mapping[str, Any]) -> str:
    """Return how much smaller than float32 a network is, in both accounts, as HTML."""
    file, parameters = (size.get(account, {}).get("ratio") for account in ("everything", "parameters"))
    if not file or not parameters or f"{file:.1f} {parameters:.1f}" == "1.0 1.0":
        return ""
    return (
        f"<p class=dsw-quiet>The file is {file:.1f} times smaller than the original in float32; counting only weights "
        f"and biases with what it takes to read them, as papers do, {parameters:.1f} times.</p>"
    )
