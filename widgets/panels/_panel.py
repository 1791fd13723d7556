"""What every panel is: a titled box that observes an `AppState` and works alone in a notebook cell."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import ipywidgets as ipw

from widgets.bridge import Engine, connect
from widgets.state import AppState
from widgets.text import escape


class Panel(ipw.VBox):
    """A box with a heading. Without a state it makes its own, so `SomePanel()` in a cell is a working panel."""

    def __init__(self, title: str, state: AppState | None) -> None:
        self.state = state or AppState()
        self.engine: Engine = connect(self.state)
        super().__init__()
        self._title = ipw.HTML(f"<h2>{escape(title)}</h2>")
        self.add_class("dsw")
        self.add_class("dsw-panel")

    def show(self, *children: ipw.Widget) -> None:
        """Set what is below the heading."""
        self.children = (self._title, *children, self.state.page)

    def follow(self, draw: Callable[[], None], traits: Iterable[str]) -> None:
        """Draw now, and again whenever one of these traits of the state changes."""

        def changed(_: object) -> None:
            with self.state.lock:
                draw()

        self.state.observe(changed, list(traits))
        changed(None)


def buttons(*children: ipw.Widget) -> ipw.Box:
    """Return a row of buttons that wraps on a narrow page."""
    row = ipw.Box(children)
    row.add_class("dsw-buttons")
    return row
