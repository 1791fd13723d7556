"""One setting of one layer: its slider, whether it is the layer's own, and the way back to the general one."""

from __future__ import annotations

import dataclasses
from typing import Any

import ipywidgets as ipw
import traitlets

from widgets.form import control_for
from widgets.text import escape
from workbench.recipe import Field, PerLayer, Recipe, Step, overridable, place_


def step_of(recipe: Recipe, technique: type[Step]) -> Step | None:
    """Return the step of a technique, the first of several; None where the recipe has none."""
    return next((step for step in recipe.steps if isinstance(step, technique)), None)


def own_layers(recipe: Recipe) -> frozenset[str]:
    """Return the names of all layers with settings of their own."""
    steps = (step for technique in overridable() if (step := step_of(recipe, technique)))
    return frozenset(name for step in steps for name, _ in step.layers)


def with_own(recipe: Recipe, technique: type[Step], layer: str, value: Any) -> Recipe:
    """Return a recipe in which a layer has a value of its own, or follows the general one where the value is None.

    A technique that is not in the recipe comes in for this layer alone, and leaves with the last of its layers. Steps
    that train leave as well: no slider waits for them.
    """
    steps = [step for step in recipe.steps if not step.trains]
    step = step_of(recipe, technique)
    if step is None:
        if value is None:
            return recipe
        place_(steps, technique().alone(layer, value))
        return Recipe(tuple(steps))
    own = {name: old for name, old in step.layers if name != layer} | ({} if value is None else {layer: value})
    changed = dataclasses.replace(step, layers=own)
    is_idle = not own and getattr(step, technique.slider) == technique.neutral
    place = next(number for number, other in enumerate(steps) if other is step)
    steps[place : place + 1] = [] if is_idle else [changed]
    return Recipe(tuple(steps))


class OwnSetting(ipw.VBox):
    """The setting of one technique for one layer: `value` is the layer's own, or None where it follows the general."""

    value = traitlets.Any(None, allow_none=True)

    def __init__(self, technique: type[Step]) -> None:
        self.technique = technique
        spec = next(field.spec for field in technique.fields() if field.name == "layers")
        if not isinstance(spec, PerLayer):
            raise TypeError(f"{technique.__name__}.layers must be declared with PerLayer")
        self.control = control_for(Field(f"{technique.slider}_of_this_layer", spec.item, technique.neutral))
        self.reset = ipw.Button(tooltip="Use the value of all layers again")
        self._told = ipw.HTML()
        super().__init__([self.control, ipw.HBox([self._told, self.reset])])
        self.add_class("dsw-own")
        self._showing = False
        self.control.observe(lambda change: self._moved(change.new), "value")
        self.reset.on_click(lambda _: setattr(self, "value", None))
        self.show(None, "")

    def show(self, step: Step | None, layer: str) -> None:
        """Show what a layer has in a step, None where the technique is not in the recipe; no layer switches it off."""
        general = self.technique.neutral if step is None else getattr(step, self.technique.slider)
        own = None if step is None else dict(step.layers).get(layer)
        self._showing = True
        try:
            self.value = own
            self.control.value = general if own is None else own
            self.control.inner.disabled = not layer
        finally:
            self._showing = False
        self.reset.layout.display = None if own is not None else "none"
        title = self.technique.title
        everyone = "" if step is None else f" ({_text(self.technique, general)})"
        self.reset.description = f"Follow the general setting{everyone}"
        if own is not None:
            words = f"{title}: a setting of its own."
        elif step is None:
            words = f"{title} is off; moving this switches it on for this layer alone."
        else:
            words = f"{title}: follows the general setting."
        self._told.value = f'<span class="dsw-quiet">{escape(words)}</span>'

    def _moved(self, value: Any) -> None:
        if not self._showing:
            self.value = value


def _text(technique: type[Step], value: Any) -> str:
    spec = next(field.spec for field in technique.fields() if field.name == technique.slider)
    return f"{100 * value:.4g} %" if getattr(spec, "percent", False) else f"{value}"
