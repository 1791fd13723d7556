"""Which values of a field a search may use: a range to drag, or boxes to tick."""

from __future__ import annotations

from typing import Any

import ipywidgets as ipw
import traitlets

from widgets.text import escape, label
from workbench.fields import Field, Range
from workbench.space import Space, values


class Allowed(ipw.VBox):
    """The allowed values of one field as a box with one `value`, a tuple in ascending order, perhaps empty."""

    value = traitlets.Tuple()

    def __init__(self, field: Field) -> None:
        self.field = field
        there = values(field)
        if isinstance(field.spec, Range):
            self.slider = ipw.SelectionRangeSlider(
                options=[(str(value), value) for value in there],
                value=(there[0], there[-1]),
                description=label(field.name),
                tooltip=field.spec.help,
            )
            self.boxes: dict[Any, ipw.Checkbox] = {}
            inner: ipw.Widget = self.slider
            self.slider.observe(lambda _: self._read(), "value")
        else:
            self.boxes = {value: ipw.Checkbox(value=True, description=str(value), indent=False) for value in there}
            title = ipw.HTML(f'<span title="{escape(field.spec.help)}">{escape(label(field.name))}</span>')
            title.add_class("dsw-allowed-title")
            inner = ipw.Box([title, *self.boxes.values()])
            inner.add_class("dsw-allowed")
            for box in self.boxes.values():
                box.observe(lambda _: self._read(), "value")
        super().__init__([inner])
        self._read()

    def _read(self) -> None:
        if self.boxes:
            self.value = tuple(value for value, box in self.boxes.items() if box.value)
        else:
            low, high = self.slider.value
            self.value = tuple(value for value in values(self.field) if low <= value <= high)


class AllowedForm(ipw.VBox):
    """The allowed values of all fields of a space: `value` is a mapping by name."""

    value = traitlets.Dict()

    def __init__(self, space: type[Space]) -> None:
        self.controls = {field.name: Allowed(field) for field in space.fields()}
        super().__init__(list(self.controls.values()))
        for control in self.controls.values():
            control.observe(lambda _: self._read(), "value")
        self._read()

    def _read(self) -> None:
        self.value = {name: control.value for name, control in self.controls.items()}
