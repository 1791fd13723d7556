"""What the present point would take on other devices: time, energy, memory, what does not run, grams and money."""

from __future__ import annotations

import ipywidgets as ipw

from widgets.background import Outcome
from widgets.figures import devices as bars
from widgets.panels._panel import Panel, buttons, line
from widgets.panels._work import Work
from widgets.table import Table
from widgets.text import escape, percent, quantity, recipe_text
from workbench.devices.footprint import GRIDS, cost_per_million, grams_per_million
from workbench.devices.outlook import Outlook
from workbench.devices.profile import Figure
from workbench.devices.roofline import Fit, Forecast
from workbench.result import Estimate

_COLUMNS = ("Device", "One image", "Energy", "Flash", "Memory", "gCO2 / M", "USD / M", "Runs there?")
_HINTS = {
    "One image": "as a rule, and from best to worst",
    "Flash": "weights as plain arrays, where they must lie in flash",
    "Memory": "activations, and weights where they lie in memory",
    "gCO2 / M": "grams for a million inferences, by the grid chosen above",
    "USD / M": "of a million inferences one after another, by the rent of the device or the price above",
}
_TIMES, _ENERGIES = ("s", "ms", "µs"), ("J", "mJ", "µJ")
_NONE: dict[str, object] = {"text": "–", "sort": None}
_READING = (
    "<details><summary>How to read this</summary>Nothing here is measured: it is a roofline. Each operator takes the "
    "longer of two times, that of its multiply-adds and that of its bytes, at the fraction of the peak that the device "
    "reaches on networks; the interval is from the best of these fractions to the worst. Zeros do not pay, unless 2 of "
    "each 4 weights are zero and the device is made for it. Integers need both weights and activations in 8 bits or "
    "fewer. Click a device to see where its figures come from; figures marked as assumptions are ours. Devices of your "
    "own are TOML files in the folder <code>devices</code> of the workbench's data folder. This machine joins them "
    "when it is calibrated, with the error that it had on networks it had not seen.</details>"
)


class DevicesPanel(Panel):
    """A table of all devices that follows the sliders. Nothing is computed while the panel is folded."""

    title = "On other devices"
    folded = "the devices"

    def build(self) -> None:
        self.grid = ipw.Dropdown(options=list(GRIDS), value="world", description="Current from")
        self.price = ipw.BoundedFloatText(value=0, min=0, max=1000, step=0.1, description="USD an hour")
        self.price.tooltip = "for devices without a rent of their own; 0 leaves them out"
        self.go = ipw.Button(
            description="Calibrate this machine", tooltip="Takes half a minute; moving a slider stops it"
        )
        self.work = Work(self, self.engine.devices.cancel, "Stop calibrating", self._ends)
        self.told, self.facts = ipw.HTML(), ipw.HTML()
        described = [
            {"title": title, "number": 0 < index < 7, "hint": _HINTS.get(title, "")}
            for index, title in enumerate(_COLUMNS)
        ]
        self.table = Table(described, {}, empty="No device yet.", picked=self._pick)
        self.table.add_class("dsw-ranges")
        self.figure = bars.devices_figure(self.state.page.dark)
        self._plot = ipw.VBox()
        self._drawn: object = None
        self._calibrated = ""
        self.show(
            self.told,
            buttons(self.grid, self.price),
            self.table,
            self.facts,
            self._plot,
            buttons(self.go, self.work.stop),
            *self.work.shown,
            ipw.HTML(_READING),
        )
        self.go.on_click(lambda _: self._calibrate())
        self.follow(self._ready, ["running"], of=self.work)
        self.follow(self._unfold, ["value"], of=self.opened)
        self.follow(self._draw, ["outlook", "outlook_error"])
        for control in (self.grid, self.price):
            self.follow(self._draw, ["value"], of=control)
        self.follow(self._dress, ["dark"], of=self.state.page)

    def _unfold(self) -> None:
        # a page draws plots also where it hides them, and then does not know how wide they will be
        self._plot.children = (self.figure,) if self.opened.value else ()
        self.engine.devices.show(self.opened.value)
        self._draw()

    def _draw(self) -> None:
        found: Outlook | None = self.state.outlook
        self.told.value = line(told(found, self.state.outlook_error))
        price = self.price.value or None
        if not self.opened.value or (found, self.grid.value, price) == self._drawn:
            return
        self._drawn = (found, self.grid.value, price)
        forecasts = () if found is None else found.forecasts
        self.table.rows = [row(each, GRIDS[self.grid.value], price) for each in forecasts]
        bars.draw_(self.figure, bars.devices_info(forecasts))
        self._pick(self.table.selected)

    def _pick(self, name: str) -> None:
        found: Outlook | None = self.state.outlook
        picked = next((each for each in (found.forecasts if found else ()) if each.profile.name == name), None)
        self.table.selected = "" if picked is None else name
        self.facts.value = "" if picked is None else facts_html(picked)

    def _ready(self) -> None:
        self.go.disabled = self.work.running

    def _calibrate(self) -> None:
        with self.state.lock:
            listener = self.work.begin()
            self.engine.devices.calibrate(self.work.latest(self._keep), listener)

    def _keep(self, sentence: str) -> None:
        self._calibrated = sentence

    def _ends(self, outcome: Outcome) -> str:
        ends = {
            Outcome.DONE: self._calibrated,
            Outcome.CANCELLED: "cancelled, by the button or by moving a slider",
            Outcome.FAILED: "failed",
        }
        return ends[outcome]

    def _dress(self) -> None:
        bars.dress_(self.figure, self.state.page.dark)


def told(found: Outlook | None, error: str) -> str:
    """Return in a sentence of what the table is."""
    if found is None:
        return error or "Looking at the devices …"
    of = recipe_text(found.job.recipe)
    fit = sum(each.runs for each in found.forecasts)
    reasons: dict[str, list[str]] = {}
    for each in found.forecasts:
        if not each.runs:
            reasons.setdefault(verdict(each), []).append(each.profile.title)
    why = "".join(f" Not on {', '.join(names)}: {reason}." for reason, names in reasons.items())
    return f"Modelled for {of}: it runs on {fit} of {len(found.forecasts)} devices.{why}"


def row(found: Forecast, grams: float, price: float | None) -> dict[str, object]:
    """Return a row of the table."""
    rent = found.profile.usd_per_hour.value if found.profile.usd_per_hour else price
    latency, energy = found.latency_ms, found.energy_mj
    cells = [
        {"text": found.profile.title, "sort": found.profile.title},
        _NONE if latency is None else {"text": _ranged(latency, _TIMES), "sort": latency.value},
        _NONE if energy is None else {"text": _ranged(energy, _ENERGIES), "sort": energy.value},
        _room(found.flash),
        _room(found.ram),
        _NONE if energy is None else _amount(grams_per_million(energy, grams)),
        _NONE if latency is None or rent is None else _amount(cost_per_million(latency, rent)),
        {"text": _short(found), "sort": verdict(found), "hint": verdict(found)},
    ]
    return {"key": found.profile.name, "cells": cells}


def verdict(found: Forecast) -> str:
    """Return whether it runs there, or why not."""
    missing = [f"{fit.what} do not fit" for fit in (found.flash, found.ram) if fit is not None and not fit.ok]
    return "; ".join((*found.refused, *missing)) or "yes"


def _short(found: Forecast) -> str:
    """Return the answer alone; why not is told above the table."""
    return "yes" if found.runs else "no" if found.refused else "too large"


def facts_html(found: Forecast) -> str:
    """Return what the time of a device goes into, and where its figures come from."""
    profile = found.profile
    figures: dict[str, Figure | None] = {
        "memory, bytes": profile.ram_bytes,
        "flash, bytes": profile.flash_bytes,
        "bandwidth, bytes a second": profile.bandwidth_bytes_s,
        **{f"{kind}, multiply-adds a second": rate for kind, rate in profile.rates.items()},
        "of the peak at worst": profile.efficiency.low,
        "of the peak as a rule": profile.efficiency.typical,
        "of the peak at best": profile.efficiency.high,
        "seconds an operator": profile.overhead_s,
        "seconds an inference": profile.start_s,
        **{f"{kind}, pJ a multiply-add": energy for kind, energy in profile.energy_pj.items()},
        "pJ a byte": profile.byte_pj,
        "watts while it is on": profile.idle_w,
        "times as fast with 2:4 zeros": profile.two_four,
        "USD an hour": profile.usd_per_hour,
    }
    lines = "".join(
        f'<tr><th scope=row>{escape(name)}</th><td class="number">{figure.value:.4g}</td>'
        f"<td>{_source(figure)}</td><td>{escape(figure.note)}</td></tr>"
        for name, figure in figures.items()
        if figure is not None
    )
    table = f'<div class="dsw-scroll"><table><tbody>{lines}</tbody></table></div>'
    bound = f" {escape(_bound(found))}" if found.ops else ""
    return (
        f'<p class="dsw-quiet"><b>{escape(profile.title)}.</b> {escape(profile.summary)}{bound}</p>'
        f"<details><summary>Figures and their sources</summary>{table}</details>"
    )


def _bound(found: Forecast) -> str:
    whole = sum(op.ms for op in found.ops) or 1.0
    shares = {bound: sum(op.ms for op in found.ops if op.bound == bound) / whole for bound in ("compute", "memory")}
    slow = max(found.ops, key=lambda op: op.ms)
    return (
        f"{percent(shares['compute'], 0)} of the operators' time waits for arithmetic, {percent(shares['memory'], 0)} "
        f"for memory, the rest is overhead; {slow.layer or slow.name} takes the most, {percent(slow.ms / whole, 0)}."
    )


def _source(figure: Figure) -> str:
    if not figure.source.startswith("https://"):
        return escape(figure.source)
    page = escape(figure.source)
    return f'<a href="{page}" target="_blank" rel="noopener">{escape(figure.source.split("/")[2])}</a>'


def _room(fit: Fit | None) -> dict[str, object]:
    if fit is None:
        return {"text": "disk", "sort": None}
    share = fit.needed_bytes / fit.available_bytes
    text = quantity(fit.needed_bytes, "bytes").replace(" ", "\u00a0") + ("" if fit.ok else ": too large")
    hint = f"{fit.what}: {percent(share)} of {quantity(fit.available_bytes, 'bytes')}"
    return {"text": text, "sort": share, "bar": share, "hint": hint}


def _amount(estimate: Estimate) -> dict[str, object]:
    hint = f"modelled, {estimate.low:.3g} to {estimate.high:.3g}"
    return {"text": f"{estimate.value:.3g}", "sort": estimate.value, "hint": hint}


def _ranged(estimate: Estimate, units: tuple[str, str, str]) -> str:
    """Return a time or an energy in thousandths and its range in one unit: `2.52 ms (0.77 to 10)`; it wraps once."""
    large, usual, small = units
    unit, factor = (large, 1e-3) if estimate.high >= 1000 else (usual, 1) if estimate.high >= 1 else (small, 1e3)
    value, low, high = (f"{factor * number:.3g}" for number in (estimate.value, estimate.low, estimate.high))
    return f"{value}\u00a0{unit} ({low}\u00a0to\u00a0{high})"
