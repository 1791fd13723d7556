"""The graph of the network and of its original, drawn by Netron, beside a table of its layers; each marks the other."""

from __future__ import annotations

import functools

import ipywidgets as ipw

from widgets.figures import layer_table
from widgets.netron_view import NetronView
from widgets.panels._panel import Panel, line
from widgets.state import AppState
from widgets.table import Table
from widgets.text import capitalised, escape, recipe_text
from workbench.layerwise.rows import LayerView

COMPRESSED, BASE = "compressed", "base"
_SIDES = {"Compressed": (COMPRESSED,), "Original": (BASE,), "Side by side": (BASE, COMPRESSED)}
_READING = (
    "<details><summary>How to read this</summary>Boxes are the operators that run, by ONNX's names where it has them. "
    "A click on one opens its settings, and with them what its layer takes: bytes in the packed file, multiply-adds "
    "(MACs), bits and zeros. A click on a row of the table finds the layer in the graph; a click on a heading sorts. "
    "Names without a row, such as those of activations, belong to no layer with weights to compress. "
    "“Error now” stands for the sensitivity of a layer: it is what the present recipe does to its outputs. "
    "Only operators and shapes are sent to the page, no weights.</details>"
)


class GraphPanel(Panel):
    """One graph or two, and the table. Nothing is drawn or sent while the panel is folded."""

    title = "Graph"
    folded = "the graph"

    def build(self) -> None:
        self.sides = ipw.ToggleButtons(options=_SIDES, value=_SIDES["Compressed"], description="Show")
        self.frames = {
            side: NetronView(title, functools.partial(self._pick_node, side))
            for side, title in ((BASE, "the original"), (COMPRESSED, "the compressed network"))
        }
        self.table = Table(layer_table.columns(None), {}, "Looking at the layers …", self._pick_row)
        self.told = ipw.HTML()
        self._captions = {side: ipw.HTML() for side in self.frames}
        self._sheets = {side: _box("dsw-sheet", self._captions[side], view) for side, view in self.frames.items()}
        self._graphs = _box("dsw-graphs", *self._sheets.values())
        self._both = _box("dsw-graph", self._graphs, _box("dsw-rows", self.table))
        self.show(self.sides, self.told, self._both, ipw.HTML(_READING))
        self.follow(self._unfold, ["value"], of=self.opened)
        self.follow(self._draw, ["drawing"])
        self.follow(self._draw, ["value"], of=self.sides)
        self.follow(self._list, ["layer_view", "layer_times", "layer_error"])
        self.follow(self._mark, ["layer"])
        self.follow(self._say, ["drawing", "drawing_error", "busy", "error"])

    def _unfold(self) -> None:
        self.engine.graph.show(self.opened.value)
        self.engine.meanwhile.show_layers(self.opened.value, "graph")
        self._draw()
        self._list()

    def _draw(self) -> None:
        if not self.opened.value:
            return
        drawing = self.state.drawing
        for side, view in self.frames.items():
            shown = side in self.sides.value
            self._sheets[side].layout.display = None if shown and drawing is not None else "none"
            if shown and drawing is not None:
                view.data = getattr(drawing, side).content
        if drawing is not None:
            self._captions[BASE].value = "<h3>Original</h3>"
            recipe = drawing.job.recipe
            words = capitalised(str(recipe)) if recipe.steps else "Compressed: nothing yet"
            self._captions[COMPRESSED].value = f"<h3>{escape(words)}</h3>"
        (self._both.add_class if len(self.sides.value) > 1 else self._both.remove_class)("dsw-two")

    def _list(self) -> None:
        if not self.opened.value:
            return
        view, times = self.state.layer_view, self.state.layer_times
        self.table.columns = layer_table.columns(times)
        self.table.empty = self.state.layer_error or "Looking at the layers …"
        self.table.rows = layer_table.rows(view, times)
        self._mark()

    def _mark(self) -> None:
        """Mark the layer that is looked at in the table and in both graphs."""
        layer = self.state.layer
        self.table.selected = layer
        self.frames[COMPRESSED].selected = layer
        self.frames[BASE].selected = self._whole(layer)

    def _pick_row(self, layer: str) -> None:
        with self.state.lock:
            self.state.put(layer=layer)
            self._mark()

    def _pick_node(self, side: str, name: str) -> None:
        with self.state.lock:
            row = self._row_of(name)
            if row:
                self._pick_row(row)
            else:
                self.table.selected = ""
                for view in self.frames.values():
                    view.selected = name
            self.frames[side].selected = name

    @property
    def _names(self) -> tuple[str, ...]:
        view: LayerView | None = self.state.layer_view
        return () if view is None else tuple(row.name for row in view.rows)

    def _row_of(self, name: str) -> str:
        """Return the row of a node: of a layer of the original that was split, that of its first factor."""
        return next((row for row in (name, f"{name}.0") if row in self._names), "")

    def _whole(self, layer: str) -> str:
        """Return what a layer is called in the original, where factors of a layer are one."""
        whole, _, part = layer.rpartition(".")
        return whole if part in ("0", "1") and layer not in self.state.layers and whole in self.state.layers else layer

    def _say(self) -> None:
        self.told.value = line(told(self.state))


def told(state: AppState) -> str:
    """Return in a sentence of what the graph is."""
    drawing = state.drawing
    if drawing is None:
        return state.drawing_error or state.error or "Drawing the graph …"
    of = recipe_text(drawing.job.recipe)
    if drawing.job != state.job or state.busy:
        return f"Still of {of}; what you asked for is on its way."
    if not drawing.job.recipe.steps:
        return f"{drawing.base.operators} operators."
    return f"{drawing.compressed.operators} operators; the original has {drawing.base.operators}."


def _box(name: str, *children: ipw.Widget) -> ipw.Box:
    box = ipw.Box(children)
    box.add_class(name)
    return box
