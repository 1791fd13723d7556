"""What each layer bears: measured layer by layer, and the way to protect one or to give it a setting of its own."""

from __future__ import annotations

import functools

import ipywidgets as ipw
import plotly.graph_objects as go

from widgets import theme
from widgets.background import Outcome
from widgets.figures import sensitivity as figures
from widgets.figures._live import updating
from widgets.panels._own_setting import OwnSetting, step_of, with_own
from widgets.panels._panel import Panel, buttons
from widgets.panels._work import Work
from widgets.table import Table
from widgets.text import capitalised, escape
from workbench.recipe import Step, overridable
from workbench.registry import techniques
from workbench.result import Estimate
from workbench.search.sensitivity import Sensitivity, agreement_words

_COLUMNS = ("Layer", "Setting", "Cheap score", "Divergence (95 %)", "Drop in points (95 %)", "Saved")
_READING = (
    "<details><summary>How to read this</summary>Each cell is the original network with one layer compressed and all "
    "others as they are, judged on the same validation images as the original, never on test images. The drop is the "
    "accuracy lost; below zero it has won some. The divergence is the mean Kullback-Leibler divergence of the class "
    "probabilities: it tells layers apart long before answers differ. The first look is on few images (~), then the "
    "layers that lost most are measured on more. The cheap score is the share of its outputs that a layer loses, "
    "reading what it reads in the original: what a solver can go by without any measurement. Moving a slider "
    "interrupts the measurement, which then goes on.</details>"
)


class SensitivityPanel(Panel):
    """A heat map and curves that fill while they are measured. The sliders stay usable."""

    title = "Sensitivity of layers"
    folded = "the sensitivity"

    def build(self) -> None:
        able = {technique.name: technique for technique in overridable()}
        usual = "weight_bits" if "weight_bits" in able else next(iter(able))
        options = [(technique.title, name) for name, technique in able.items()]
        self.choice = ipw.Dropdown(options=options, value=usual, description="Technique")
        self.shade = ipw.Dropdown(
            options=[(figures.TITLES[shade], shade) for shade in figures.SHADES], value="divergence", description="Show"
        )
        self.go = ipw.Button(description="Measure the layers", tooltip="Compress each layer alone, and measure")
        self.work = Work(self, self.engine.sensing.cancel, "Stop; what was measured stays", self._ends)
        self.words = ipw.HTML()
        self.heat: go.FigureWidget | None = None
        self.curves: go.FigureWidget | None = None
        self._heat, self._curves = ipw.VBox(), ipw.VBox()
        self.layer = ipw.Dropdown(options=(), description="Layer")
        self.protect = ipw.Button(
            description="Protect this layer",
            tooltip="The technique leaves this layer as it is, whatever its slider says",
        )
        self.settings = {name: OwnSetting(technique) for name, technique in able.items()}
        columns = [{"title": title, "number": title not in _COLUMNS[:2]} for title in _COLUMNS]
        self.table = Table(columns, {}, empty="", picked=self._picked)
        rows = ipw.VBox([self.table])
        rows.add_class("dsw-rows")
        own = ipw.VBox([self.layer, buttons(self.protect), *self.settings.values()])
        self._shown = ipw.VBox([self.words, self._heat, self._curves, own, rows])
        choices = ipw.VBox([self.choice, self.shade, buttons(self.go, self.work.stop)])
        self.show(choices, *self.work.shown, self._shown, ipw.HTML(_READING))
        self._items: dict[str, tuple[Sensitivity, ...]] = {}
        self._agreements: dict[str, Estimate | None] = {}
        self.go.on_click(lambda _: self._start())
        self.protect.on_click(lambda _: self._own(self.technique.neutral))
        for setting in self.settings.values():
            setting.observe(functools.partial(self._set, setting), "value")
        self.follow(self._clear, ["model", "data", "seed"])
        self.follow(self._offer, ["layers"])
        self.follow(self._look, ["layer"])
        # only now: offering layers chooses the first, and would take the one that another panel looks at from it
        self.follow(self._point, ["value"], of=self.layer)
        self.follow(self._draw_own, ["recipe", "layer"])
        for widget in (self.choice, self.shade, self.opened, self.layer):
            self.follow(self._draw, ["value"], of=widget)
        self.follow(self._dress, ["dark"], of=self.state.page)

    @property
    def technique(self) -> type[Step]:
        """The technique that is looked at."""
        return techniques.get(self.choice.value)

    @property
    def info(self) -> figures.SensitivityInfo:
        """What is shown."""
        return figures.sensitivity_info(self._items.get(self.choice.value, ()), self.layer.options, self.technique)

    def _clear(self) -> None:
        """Another network: what is known of the layers does not hold for it."""
        self.work.forget()
        self._items, self._agreements = {}, {}
        self._draw()

    def _offer(self) -> None:
        if tuple(self.layer.options) != tuple(self.state.layers):
            self.layer.options = self.state.layers
            self._look()
        self.go.disabled = not self.state.layers
        self._draw()

    def _look(self) -> None:
        """Look at the layer that another panel looks at, or at the first."""
        if self.state.layer in self.layer.options:
            self.layer.value = self.state.layer
        elif self.layer.options:
            self.layer.value = self.layer.options[0]

    def _point(self) -> None:
        """Let the other panels look at the layer that this one looks at."""
        self.state.put(layer=self.layer.value or "")

    def _start(self) -> None:
        with self.state.lock:
            name = self.choice.value
            listener = self.work.begin()
            self.engine.sensing.look(name, self.work.latest(functools.partial(self._heard, name)), listener)

    def _heard(self, name: str, items: tuple[Sensitivity, ...], agreement: Estimate | None) -> None:
        self._items[name], self._agreements[name] = items, agreement
        if name == self.choice.value:
            self._draw()

    def _ends(self, outcome: Outcome) -> str:
        return {
            Outcome.DONE: "done",
            Outcome.CANCELLED: "cancelled; what was measured is shown",
            Outcome.FAILED: "failed",
        }[outcome]

    def _draw(self) -> None:
        found = self._items.get(self.choice.value, ())
        self._shown.layout.display = None if found else "none"
        self._draw_own()
        if not self.opened.value or not found:  # a page draws plots also where it hides them, at a width of its own
            self._heat.children = self._curves.children = ()
            return
        info, layer = self.info, self.layer.value or ""
        self._make(len(info.layers))
        figures.draw_heat_(self.heat, info, self.shade.value, layer)
        figures.draw_curves_(self.curves, info, self.shade.value, layer)
        self.words.value = f"<p>{escape(capitalised(agreement_words(self._agreements.get(self.choice.value))))}.</p>"
        self.table.rows = [
            {"key": item.layer, "cells": figures.row_cells(item, setting)}
            for name in info.layers
            for value, setting in zip(info.values, info.settings, strict=True)
            if (item := info.item(name, value)) is not None
        ]
        self.table.selected = layer

    def _make(self, layers: int) -> None:
        """Show the figures, made anew where the number of layers has changed: plotly keeps a height."""
        if self.heat is None or self.heat.layout.height != figures.height(layers):
            dark = self.state.page.dark
            self.heat, self.curves = figures.heat_figure(layers, dark), figures.curves_figure(dark)
            self.heat.data[0].on_click(self._clicked)
            self._heat.children = self._curves.children = ()
        if not self._heat.children:
            self._heat.children, self._curves.children = (self.heat,), (self.curves,)

    def _draw_own(self) -> None:
        layer = self.layer.value or ""
        for name, setting in self.settings.items():
            setting.layout.display = None if name == self.choice.value else "none"
            setting.show(step_of(self.state.recipe, setting.technique), layer)
        step = step_of(self.state.recipe, self.technique)
        protected = step is not None and dict(step.layers).get(layer) == self.technique.neutral
        self.protect.disabled = not layer or protected

    def _clicked(self, trace: object, points: object, _: object) -> None:
        if points.ys:
            self._picked(str(points.ys[0]))

    def _picked(self, layer: str) -> None:
        if layer in self.layer.options:
            self.layer.value = layer

    def _set(self, setting: OwnSetting, change: dict[str, object]) -> None:
        if setting.technique is self.technique:
            self._own(change["new"])

    def _own(self, value: object) -> None:
        """Give the layer a value of its own for the technique; None is that of all layers."""
        with self.state.lock:
            recipe, layer, technique = self.state.recipe, self.layer.value, self.technique
            step = step_of(recipe, technique)
            if layer and value != dict(step.layers if step else ()).get(layer):
                self.state.put(recipe=with_own(recipe, technique, layer, value))

    def _dress(self) -> None:
        for figure in (self.heat, self.curves):
            if figure is not None:
                with updating(figure):
                    figure.update_layout(theme.plot_layout(self.state.page.dark))
