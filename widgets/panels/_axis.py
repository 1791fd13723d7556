"""One setting that a sweep varies: which, between which ends, and in how many values."""

from __future__ import annotations

from typing import Any

import ipywidgets as ipw
import traitlets

from workbench.recipe import Choice, Field, Range, Step
from workbench.registry import techniques
from workbench.variation import Axis, evenly

_MANY = 20


def settings() -> dict[str, Field]:
    """Return the field that a sweep may vary by the name of its technique, in the order of recipes."""
    found = {}
    for technique in sorted(techniques, key=lambda technique: technique.order):
        field = _main(technique)
        if not technique.trains and len(allowed(field)) > 1:
            found[technique.name] = field
    return found


def allowed(field: Field) -> tuple[Any, ...]:
    """Return all values of a setting in numbers, in order; nothing where they are no numbers."""
    match field.spec:
        case Range(log=False) as spec:
            return tuple(spec.check(field.name, value) for value in evenly(spec.low, spec.high, spec.step))
        case Choice(options=options) if all(isinstance(option, (int, float)) for option in options):
            return tuple(sorted(options))
    return ()


def picked(values: tuple[Any, ...], count: int) -> tuple[Any, ...]:
    """Return so many of the values, evenly spaced, both ends among them; all where there are not so many."""
    if count >= len(values) or len(values) < 2:
        return values
    return tuple(values[round(number * (len(values) - 1) / (count - 1))] for number in range(count))


class AxisBox(ipw.VBox):
    """A box whose `value` is an `Axis`, or None where nothing is to vary."""

    value = traitlets.Any(None, allow_none=True)

    def __init__(self, description: str, chosen: str = "") -> None:
        self._fields = settings()
        options = [("nothing", ""), *((f"{techniques.get(t).title}: {f.name}", t) for t, f in self._fields.items())]
        self.technique = ipw.Dropdown(options=options, value=chosen, description=description)
        self.prepared = ipw.Checkbox(value=True, indent=False, description="The positions that sliders prepare")
        self.span = ipw.SelectionRangeSlider(options=(0, 1), description="From, to")
        self.count = ipw.IntSlider(value=5, min=2, max=_MANY, description="How many values")
        self.told = ipw.HTML()
        super().__init__([self.technique, self.prepared, self.span, self.count, self.told])
        self._showing = False
        self.technique.observe(lambda _: self._pick(), "value")
        for control in (self.prepared, self.span, self.count):
            control.observe(lambda _: self._read(), "value")
        self._pick()

    def _pick(self) -> None:
        """Offer the values of another setting."""
        name = self.technique.value
        self._showing = True
        try:
            if name:
                field, found = self._fields[name], allowed(self._fields[name])
                # the unit is in the title: behind the slider there is no room for it
                self.span.description = "From, to (%)" if _percent(field) else "From, to"
                shown = [(_text(field, value).removesuffix(" %"), value) for value in found]
                ends = (shown[0][1], shown[-1][1])
                self.span.options = shown
                self.span.value = ends
                self.prepared.value = bool(techniques.get(name).positions)
        finally:
            self._showing = False
        self._read()

    def _read(self) -> None:
        if self._showing:
            return
        name = self.technique.value
        prepared = bool(name) and bool(techniques.get(name).positions)
        self.prepared.layout.display = None if prepared else "none"
        self.span.layout.display = None if name else "none"
        self.count.layout.display = None if name and not self.prepared.value else "none"
        if not name:
            self.told.value, self.value = "", None
            return
        field = self._fields[name]
        low, high = self.span.value
        within = tuple(value for value in allowed(field) if low <= value <= high)
        positions = techniques.get(name).positions
        chosen = tuple(v for v in within if v in positions) if self.prepared.value else picked(within, self.count.value)
        words = ", ".join(_text(field, value) for value in chosen) or "no value: take a wider range"
        self.told.value = f'<p class="dsw-quiet dsw-line">{words}</p>'
        self.value = Axis(name, field.name, chosen) if chosen else None


def _main(technique: type[Step]) -> Field:
    first, *_ = fields = technique.fields()
    return next((field for field in fields if field.name == technique.slider), first)


def _percent(field: Field) -> bool:
    return isinstance(field.spec, Range) and field.spec.percent


def _text(field: Field, value: Any) -> str:
    return f"{100 * value:.4g} %" if _percent(field) else f"{value:.4g}"
