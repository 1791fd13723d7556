"""What every panel is: a titled box that observes an `AppState` and works alone in a notebook cell."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, ClassVar

import ipywidgets as ipw
import traitlets

from widgets.bridge import Engine, connect
from widgets.state import AppState
from widgets.text import escape


class Panel(ipw.VBox):
    """A box with a heading. Without a state it makes its own, so `SomePanel()` in a cell is a working panel.

    A panel with `folded` in its class, such as "the pictures", shows only a button at first. What is in it is built
    when it is first opened: a page of all panels has thousands of widgets, and each takes time in kernel and browser.
    """

    title: ClassVar[str]
    folded: ClassVar[str] = ""

    def __init__(self, state: AppState | None = None) -> None:
        self.state = state or AppState()
        self.engine: Engine = connect(self.state)
        self.built = False
        self.opened = ipw.ToggleButton(value=not self.folded)
        self._inside = ipw.VBox()
        self.heading = ipw.HTML(f"<h2>{escape(self.title)}</h2>")
        page = () if self.state.page_shown else (self.state.page,)
        super().__init__([self._beside(self.heading) if self.folded else self.heading, self._inside, *page])
        self._inside.add_class("dsw-inside")
        self.add_class("dsw")
        self.add_class("dsw-panel")
        self.follow(self._open_up, ["value"], of=self.opened)

    def build(self) -> None:
        """Make what is below the heading and `show` it; called once, when it is first looked at."""
        raise NotImplementedError

    def show(self, *children: ipw.Widget) -> None:
        """Set what is below the heading."""
        self._inside.children = children

    def _beside(self, heading: ipw.Widget) -> ipw.Box:
        """Return the heading with the button that opens the panel."""
        self.opened.add_class("dsw-link")
        both = ipw.Box([heading, self.opened])
        both.add_class("dsw-heading")
        return both

    def _open_up(self) -> None:
        self.opened.description = f"{'Hide' if self.opened.value else 'Show'} {self.folded}"
        self._inside.layout.display = None if self.opened.value else "none"
        if self.opened.value and not self.built:
            self.built = True
            self.build()

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


def status(sentence: str) -> str:
    """Return how far something has come as HTML that a screen reader says when it has time."""
    return f'<span role="status">{escape(sentence)}</span>'


def line(sentence: str) -> str:
    """Return what a panel shows, in a sentence on a line of its own that stays where there is nothing to say."""
    return f'<p class="dsw-quiet dsw-line" role="status">{escape(sentence)}</p>'


def buttons(*children: ipw.Widget) -> ipw.Box:
    """Return a row of buttons that wraps on a narrow page."""
    row = ipw.Box(children)
    row.add_class("dsw-buttons")
    return row
