"""Forms: the fields that a technique declares, as controls. Nothing here knows any particular technique."""

from __future__ import annotations

import functools
import math
from typing import Any

import ipywidgets as ipw
import traitlets

from widgets.text import escape, label
from workbench.errors import Refused
from workbench.recipe import Choice, Field, ModelName, PerLayer, Range, Spec, Step, Switch


class Control(ipw.VBox):
    """One field as a box with one `value`; which widget is inside follows from the spec."""

    value = traitlets.Any()

    def __init__(self, field: Field, inner: ipw.Widget) -> None:
        self.field = field
        self.inner = inner
        super().__init__([inner])
        self.value = field.default
        traitlets.link((inner, "value"), (self, "value"), transform=(self._read, self._write))

    def _read(self, shown: Any) -> Any:
        # sliders add up steps, so that 0.95 may come as 0.9500000000000002
        return round(shown / self._scale, 10) if isinstance(shown, float) else shown

    def _write(self, value: Any) -> Any:
        return value * self._scale if isinstance(value, float) else value

    @property
    def _scale(self) -> int:
        return 100 if isinstance(self.field.spec, Range) and self.field.spec.percent else 1


class LayerValues(ipw.VBox):
    """Values of their own for some layers: pick a layer, pick a value, set it; or take it back."""

    value = traitlets.Tuple()
    layers = traitlets.Tuple()

    def __init__(self, field: Field, spec: PerLayer) -> None:
        self._item = control_for(Field("value", spec.item, _middle(spec.item)))
        self._layer = ipw.Dropdown(options=(), description="Layer")
        self._set = ipw.Button(description="Set", tooltip="Use this value for the layer")
        self._clear = ipw.Button(description="Clear all", tooltip="Every layer follows the general value again")
        self._list = ipw.HTML()
        super().__init__([self._list, self._layer, self._item, ipw.HBox([self._set, self._clear])])
        self._set.on_click(lambda _: self._add())
        self._clear.on_click(lambda _: setattr(self, "value", ()))
        self.observe(lambda _: self._forget(), "layers")
        self.observe(lambda _: self._show(), ["value", "layers"])
        self.value = field.default
        self._show()

    def _add(self) -> None:
        if self._layer.value is not None:
            self.value = tuple(sorted((dict(self.value) | {self._layer.value: self._item.value}).items()))

    def _forget(self) -> None:
        """Drop the values of layers that another model does not have."""
        if self.layers:
            self.value = tuple((name, value) for name, value in self.value if name in self.layers)

    def _show(self) -> None:
        if self._layer.options != self.layers:
            self._layer.options = self.layers
        rows = "".join(f"<li>{escape(name)}: {escape(value)}</li>" for name, value in self.value)
        nothing = "All layers follow the value above."
        self._list.value = f"<ul>{rows}</ul>" if rows else f'<span class="dsw-quiet">{nothing}</span>'


class StepForm(ipw.VBox):
    """A technique as a box: a tick that switches it on, its first field, and the others under "More settings".

    `value` is the step, or None where it is switched off or does not hold; `error` then says why.
    """

    value = traitlets.Instance(Step, allow_none=True)
    error = traitlets.Unicode()
    layers = traitlets.Tuple(help="layer names to offer for values of their own")
    models = traitlets.Tuple(help="model names to offer as teachers and students")

    def __init__(self, technique: type[Step], *, optional: bool = True) -> None:
        self.technique = technique
        self.on = ipw.Checkbox(value=not optional, description=technique.title, indent=False)
        self._fields, self._told = ipw.VBox(), ipw.HTML()
        head = [self.on] if optional else [ipw.HTML(f"<h3>{escape(technique.title)}</h3>")]
        super().__init__([*head, self._fields, self._told])
        self.add_class("dsw-step")
        self._writing = False
        self.on.observe(lambda _: self._read(), "value")
        self.observe(lambda change: self._write(change.new), "value")
        self.observe(lambda _: self._offer(), ["layers", "models"])
        self._read()

    @functools.cached_property
    def controls(self) -> dict[str, Control | LayerValues]:
        """The control of each field; made, with all that stands around them, when first asked for."""
        made = {field.name: control_for(field) for field in self.technique.fields()}
        first, *rest = made.values()
        more = ipw.VBox(rest)
        more.add_class("dsw-more")
        open_ = ipw.ToggleButton(description="More settings", value=False, tooltip="Show all settings")
        open_.add_class("dsw-link")
        open_.layout.display = None if rest else "none"
        about = ipw.HTML(
            f"<details><summary>About</summary>{escape(self.technique.summary)}<br><b>When it hurts:</b> "
            f"{escape(self.technique.hurts_when)}<br><b>Paper:</b> {_linked(self.technique.paper)}</details>"
        )

        def fold() -> None:
            more.layout.display = None if open_.value else "none"

        fold()
        open_.observe(lambda _: fold(), "value")
        for control in made.values():
            control.observe(lambda _: self._read(), "value")
        self._offer(made)
        self._fields.children = (first, ipw.HBox([open_]), more, about)
        return made

    def _read(self) -> None:
        """From the controls to the value."""
        if self._writing:
            return
        self._fields.layout.display = None if self.on.value else "none"
        error, step = "", None
        if self.on.value:
            try:
                step = self.technique(**{name: control.value for name, control in self.controls.items()})
            except Refused as refusal:
                error = str(refusal)
        self.error = error
        self._told.value = f'<div class="dsw-error" role="alert">{escape(error)}</div>' if error else ""
        self.value = step

    def _write(self, step: Step | None) -> None:
        """From the value to the controls; None only switches off, the controls keep what they show."""
        if self.error and step is None:
            return
        self._writing = True
        try:
            self.on.value = step is not None
            self._fields.layout.display = None if step is not None else "none"
            for name, control in self.controls.items() if step is not None else ():
                if control.value != getattr(step, name):
                    _offer_value(control, getattr(step, name))
                    control.value = getattr(step, name)
        finally:
            self._writing = False

    def _offer(self, controls: dict[str, Control | LayerValues] | None = None) -> None:
        """Offer layers and models to the controls that ask for them, where there are controls yet."""
        for control in (controls or self.__dict__.get("controls", {})).values():
            if isinstance(control, LayerValues):
                control.layers = self.layers
            elif isinstance(control.field.spec, ModelName):
                value = control.value
                options = tuple(dict.fromkeys((*control.field.spec.special, *self.models, value)))
                if options != tuple(control.inner.options):
                    self._swap(control, options, value)

    def _swap(self, control: Control, options: tuple[str, ...], value: Any) -> None:
        """Set other options with the value kept: a drop-down picks the first for a moment, which nobody asked for."""
        before, self._writing = self._writing, True
        try:
            control.inner.options = options
            control.inner.value = value
        finally:
            self._writing = before


def control_for(field: Field) -> Control | LayerValues:
    """Return the control of a field, with its default in it."""
    if isinstance(field.spec, PerLayer):
        return LayerValues(field, field.spec)
    return Control(field, _widget(field))


def _offer_value(control: Control | LayerValues, value: Any) -> None:
    """Let a control hold a value that it does not offer: a recipe may come from elsewhere."""
    if not isinstance(control, Control):
        return
    if isinstance(control.field.spec, ModelName):
        control.inner.options = tuple(dict.fromkeys((*control.inner.options, value)))
    elif isinstance(control.field.spec, Range) and control.field.spec.log:
        known = {x for _, x in control.inner.options}
        control.inner.options = _positions({*known, value})


@functools.singledispatch
def widget_for(spec: Spec, field: Field, common: dict[str, Any]) -> ipw.Widget:
    """Return the widget for a spec; a new kind of spec registers its own."""
    raise TypeError(f"no widget for {type(spec).__name__}")


def _widget(field: Field) -> ipw.Widget:
    common = {"description": label(field.name), "tooltip": field.spec.help, "value": field.default}
    return widget_for(field.spec, field, common)


@widget_for.register
def _(spec: Range, field: Field, common: dict[str, Any]) -> ipw.Widget:
    if spec.log:
        return ipw.SelectionSlider(options=_positions({*_ladder(spec), field.default}), **common)
    if spec.whole:
        return ipw.IntSlider(min=spec.low, max=spec.high, step=spec.step, **common)
    if spec.percent:  # in percent, so that a person may also type what the slider shows
        common |= {"description": f"{common['description']} (%)", "value": 100 * common["value"]}
        return ipw.FloatSlider(
            min=100 * spec.low, max=100 * spec.high, step=100 * spec.step, readout_format=".0f", **common
        )
    form = f".{max(0, math.ceil(-math.log10(spec.step)))}f"
    return ipw.FloatSlider(min=spec.low, max=spec.high, step=spec.step, readout_format=form, **common)


@widget_for.register
def _(spec: Choice, field: Field, common: dict[str, Any]) -> ipw.Widget:
    options = [(str(option), option) for option in spec.options]
    numbers = all(isinstance(option, (int, float)) for option in spec.options)
    return (ipw.SelectionSlider if numbers else ipw.Dropdown)(options=options, **common)


@widget_for.register
def _(spec: Switch, field: Field, common: dict[str, Any]) -> ipw.Widget:
    return ipw.Checkbox(indent=False, **common)


@widget_for.register
def _(spec: ModelName, field: Field, common: dict[str, Any]) -> ipw.Widget:
    return ipw.Dropdown(options=tuple(dict.fromkeys((*spec.special, field.default))), **common)


def _positions(values: set[float]) -> list[tuple[str, float]]:
    return [(f"{x:.4g}", x) for x in sorted(values)]


def _ladder(spec: Range) -> list[float]:
    """Return the values 1, 2, 5, 10, ... times a power of ten that lie in the range, and both its ends."""
    steps = [float(f"{digit}e{power}") for power in range(-9, 10) for digit in (1, 2, 3, 5, 7)]
    return [spec.low, *(x for x in steps if spec.low < x < spec.high), spec.high]


def _middle(spec: Range | Choice) -> Any:
    if isinstance(spec, Choice):
        return spec.options[len(spec.options) // 2]
    return spec.check("value", spec.low + spec.step * round((spec.high - spec.low) / spec.step / 2))


def _linked(text: str) -> str:
    words = (f'<a href="{escape(w)}">{escape(w)}</a>' if w.startswith("https://") else escape(w) for w in text.split())
    return " ".join(words)
