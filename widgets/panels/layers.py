"""The layers of the network: what each takes and has lost, its weights on their grid, and settings of its own."""

from __future__ import annotations

import functools

import ipywidgets as ipw

from widgets import theme
from widgets.figures import layers as bars
from widgets.figures import weights
from widgets.figures._live import updating
from widgets.panels._own_setting import OwnSetting, own_layers, step_of, with_own
from widgets.panels._panel import Panel, line
from widgets.state import AppState
from widgets.text import escape, recipe_text
from workbench.layerwise.rows import LayerRow, LayerView
from workbench.recipe import Step, overridable

_READING = (
    "<details><summary>How to read this</summary>Layers are in the order in which they run; click one, or pick it "
    "below, to see its weights and to give it settings of its own, which ● and orange mark. Thin outlines are the "
    "original. Bytes are those of weights and biases in the packed file. The error is the squared distance of the "
    "outputs of a layer from those of the original, as a share of how much those vary: 0 % is the layer as it was, and "
    "100 % a layer that might as well put out a constant. Both networks run from end to end on the same calibration "
    "images, so that what one layer loses reaches those after it; bars of the error are 95 % intervals.</details>"
)


class LayersPanel(Panel):
    """Bars of all layers, and one layer in detail. Nothing is computed while the panel is folded."""

    title = "Layers"
    folded = "the layers"

    def build(self) -> None:
        self.choice = ipw.Dropdown(options=(), description="Look at layer")
        # what cuts layers apart leaves no such layer to look at: the panel of sensitivity has settings for that
        kept = [technique for technique in overridable() if technique.approximates]
        self.settings = {technique.name: OwnSetting(technique) for technique in kept}
        self.told, self.facts, self.words, self.table = ipw.HTML(), ipw.HTML(), ipw.HTML(), ipw.HTML()
        self._info, self._drawn = bars.layers_info(None), ()
        self._make("")
        self.histogram = weights.weights_figure(self.state.page.dark)
        self._head = ipw.HTML()
        self._scroll = ipw.VBox()
        self._scroll.add_class("dsw-layers")
        chart = ipw.VBox([self._head, self._scroll])
        chart.add_class("dsw-chart")
        wide = ipw.VBox([chart])
        wide.add_class("dsw-wide")
        self._plot = ipw.VBox()
        one = ipw.VBox([self.choice, self.facts, *self.settings.values(), self._plot, self.words])
        self.show(self.told, wide, one, ipw.HTML(_READING), self.table)
        for setting in self.settings.values():
            setting.observe(functools.partial(self._set, setting), "value")
        self.follow(self._offer, ["layers", "layer_view"])
        self.follow(self._look, ["layer"])
        # only now: offering layers chooses the first, and would take the one that another panel looks at from it
        self.follow(self._point, ["value"], of=self.choice)
        self.follow(self._draw, ["layer_view", "recipe"])
        self.follow(self._draw, ["value"], of=self.choice)
        self.follow(self._unfold, ["value"], of=self.opened)
        self.follow(self._say, ["layer_view", "layer_error", "busy", "error"])
        self.follow(self._dress, ["dark"], of=self.state.page)

    @property
    def _row(self) -> LayerRow | None:
        view: LayerView | None = self.state.layer_view
        return view.row(self.choice.value) if view is not None and self.choice.value else None

    def _offer(self) -> None:
        view = self.state.layer_view
        names = self.state.layers if view is None else tuple(row.name for row in view.rows)
        if tuple(self.choice.options) != names:
            before = self.choice.value
            self.choice.options = names
            self.choice.value = before if before in names else next(iter(names), None)

    def _look(self) -> None:
        """Look at the layer that another panel looks at."""
        if self.state.layer in self.choice.options:
            self.choice.value = self.state.layer

    def _point(self) -> None:
        """Let the other panels look at the layer that this one looks at."""
        self.state.put(layer=self.choice.value or "")

    def _unfold(self) -> None:
        # a page draws plots also where it hides them, and then does not know how wide they will be
        self._scroll.children = (self.figure,) if self.opened.value else ()
        self._plot.children = (self.histogram,) if self.opened.value else ()
        self.engine.meanwhile.show_layers(self.opened.value)
        self._draw()

    def _draw(self) -> None:
        if not self.opened.value:
            return
        layer = self.choice.value or ""
        for setting in self.settings.values():
            setting.show(step_of(self.state.recipe, setting.technique), layer)
        view: LayerView | None = self.state.layer_view
        self._info = bars.layers_info(view, own_layers(self.state.recipe))
        if (drawn := (self._info, view and view.job, layer)) != self._drawn:
            self._drawn = drawn
            self._draw_bars(layer)
            self._draw_one()

    def _make(self, layer: str) -> None:
        self.figure = bars.layers_figure(self._info, layer, self.state.page.dark)
        for trace in self.figure.data:
            trace.on_click(self._clicked)

    def _draw_bars(self, layer: str) -> None:
        if len(self._info.names) == len(self.figure.data[0].y):
            bars.draw_(self.figure, self._info, layer)
        else:
            self._make(layer)
            self._scroll.children = (self.figure,)
        titles = "".join(f"<span>{escape(title)}</span>" for title in self._info.columns)
        self._head.value = f'<div style="padding:0 4px 0 {bars.margin(self._info)}px">{titles}</div>'
        self.table.value = table_html(self._info)

    def _draw_one(self) -> None:
        row = self._row
        found = weights.weights_info(None if row is None else row.weights)
        weights.draw_(self.histogram, found)
        self.facts.value = "" if row is None else f'<p class="dsw-quiet">{"<br>".join(bars.facts_of(row))}</p>'
        self.words.value = f'<p class="dsw-quiet">{escape(found.words)}</p>'

    def _say(self) -> None:
        self.told.value = line(told(self.state))

    def _clicked(self, trace: object, points: object, _: object) -> None:
        names = self._info.names
        if points.point_inds and points.point_inds[0] < len(names):
            self.choice.value = names[points.point_inds[0]]

    def _set(self, setting: OwnSetting, change: dict[str, object]) -> None:
        with self.state.lock:
            recipe, layer = self.state.recipe, self.choice.value
            shown: Step | None = step_of(recipe, setting.technique)
            if layer and change["new"] != dict(shown.layers if shown else ()).get(layer):
                self.state.put(recipe=with_own(recipe, setting.technique, layer, change["new"]))

    def _dress(self) -> None:
        layout = theme.plot_layout(self.state.page.dark)
        axis = layout.pop("xaxis")
        for figure in (self.figure, self.histogram):
            with updating(figure):
                figure.update_layout(layout)
                figure.for_each_xaxis(lambda found: found.update(axis))


def told(state: AppState) -> str:
    """Return in a sentence of what the bars are."""
    view = state.layer_view
    if view is None:
        return state.layer_error or state.error or "Looking at the layers …"
    of = recipe_text(view.job.recipe)
    if view.job != state.job or state.busy:
        return f"Still of {of}; what you asked for is on its way."
    return f"{len(view.rows)} layers of {of}; errors on {view.images} calibration images."


def table_html(info: bars.LayersInfo) -> str:
    """Return all that the bars show as a table, for those who do not see them."""
    head = "".join(f'<th scope=col class="number">{escape(title)}</th>' for title in info.columns)
    rows = "".join(
        f"<tr><th scope=row>{escape(name)}</th>"
        + "".join(f'<td class="number">{escape(column[number].text)}</td>' for column in info.columns.values())
        + "</tr>"
        for number, name in enumerate(info.names)
    )
    body = f"<table><thead><tr><th scope=col>Layer</th>{head}</tr></thead><tbody>{rows}</tbody></table>"
    return f'<details><summary>As a table</summary><div class="dsw-scroll">{body}</div></details>' if rows else ""
