"""A tree that grows to the right, drawn as SVG: every node that can be picked is a button, for hands and for keys.

Plotly draws no tree and its points cannot be reached by keys.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import anywidget
import traitlets


class Tree(anywidget.AnyWidget):
    """Nodes as `widgets.figures.provenance.drawn` makes them; `picked` is called with the key of one.

    `selected` is the key of the node that is marked, which comes into view.
    """

    _esm = Path(__file__).with_suffix(".js")
    title = traitlets.Unicode().tag(sync=True)
    nodes = traitlets.List().tag(sync=True)
    selected = traitlets.Unicode().tag(sync=True)

    def __init__(self, title: str, picked: Callable[[str], None]) -> None:
        super().__init__(title=title)
        self._picked = picked
        self.on_msg(self._hear)

    def _hear(self, widget: object, content: dict[str, object], buffers: object) -> None:
        if isinstance(key := content.get("picked"), str):
            self._picked(key)
