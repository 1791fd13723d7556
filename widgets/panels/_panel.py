"""What every panel is: a titled box that observes an `AppState` and works alone in a notebook cell."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import ipywidgets as ipw
import traitlets

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
        page = () if self.state.page_shown else (self.state.page,)
        self.children = (self._title, *children, *page)

    def locked(self, act: Callable[..., None]) -> Callable[..., None]:
        """Return `act` so that it runs while nobody else changes the state or draws: for calls from other threads."""

        def alone(*arguments: Any) -> None:
            with self.state.lock:
                act(*arguments)

        return alone

    def follow(self, draw: Callable[[], None], traits: Iterable[str], of: traitlets.HasTraits | None = None) -> None:
        """Draw now, and again whenever one of these traits changes, of the state or of something else."""
        alone = self.locked(lambda *_: draw())
        (of or self.state).observe(alone, list(traits))
        alone()


class Alert(ipw.HTML):
    """One sentence that a screen reader says at once, or nothing."""

    def tell(self, sentence: str) -> None:
        """Show a sentence; an empty one takes the last away."""
        self.value = f'<div class="dsw-error" role="alert">{escape(sentence)}</div>' if sentence else ""


def buttons(*children: ipw.Widget) -> ipw.Box:
    """Return a row of buttons that wraps on a narrow page."""
    row = ipw.Box(children)
    row.add_class("dsw-buttons")
    return row
