"""What the panels of long work share: the bar, the words, Cancel and the alert."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Protocol

import ipywidgets as ipw
import traitlets

from widgets.background import Outcome
from widgets.bridge import Listener
from widgets.panels._panel import Alert, status
from workbench.context import Progress

_TELL_SECONDS = 0.25


class Locking(Protocol):
    """A panel or a page that long work belongs to."""

    def locked(self, act: Callable[..., None]) -> Callable[..., None]:
        """Return `act` so that it runs while nobody else draws."""


class Work(traitlets.HasTraits):
    """One run at a time, as a person sees it. Only the latest is heard: an older one may still tell its end.

    `cancel` stops the engine, `hint` says what that means. `ends` returns what is said of each way to end.
    """

    running = traitlets.Bool(False)

    def __init__(
        self, panel: Locking, cancel: Callable[[], None], hint: str, ends: Callable[[Outcome], str], waits: str = ""
    ) -> None:
        super().__init__()
        self.stop = ipw.Button(description="Cancel", disabled=True, tooltip=hint)
        self.bar = ipw.FloatProgress(min=0, max=1, value=0)
        self.told, self.alert = ipw.HTML(), Alert()
        self.shown = (self.bar, self.told, self.alert)
        self.bar.layout.display = "none"
        self._panel, self._cancel, self._ends, self._waits = panel, cancel, ends, waits
        self._run, self._heard = 0, 0.0
        self.stop.on_click(lambda _: self._stop())

    def begin(self, progress: Callable[[Progress], None] | None = None) -> Listener:
        """Show that a run begins, and return who listens to it, from any thread."""
        self._run += 1
        self.bar.value = 0
        self._show("starting …", running=True)
        return Listener(progress=self.latest(progress or self._progress), ended=self.latest(self._ended))

    def forget(self) -> None:
        """Stop, and show nothing of what was."""
        self._run += 1
        self._cancel()
        self._show("", running=False)

    def latest(self, act: Callable[..., None]) -> Callable[..., None]:
        """Return `act` so that it runs only while the run that began last is the latest."""
        run = self._run
        return self._panel.locked(lambda *news: act(*news) if run == self._run else None)

    def tell(self, fraction: float, words: str) -> None:
        """Show how far it has come, a few times a second."""
        if time.monotonic() - self._heard >= _TELL_SECONDS and words:
            self._heard = time.monotonic()
            self.bar.value, self.told.value = fraction, status(words)

    def _progress(self, news: Progress) -> None:
        self.tell(news.fraction, news.message)

    def _stop(self) -> None:
        self.told.value = status(f"cancelling{self._waits} …")
        self._cancel()

    def _ended(self, outcome: Outcome, sentence: str) -> None:
        self._show(self._ends(outcome), running=False, why=sentence)

    def _show(self, words: str, *, running: bool, why: str = "") -> None:
        self.told.value = status(words) if words else ""
        self.alert.tell(why)
        self.bar.layout.display = None if running else "none"
        self.running = running
        self.stop.disabled = not running
