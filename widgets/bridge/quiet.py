"""Quiet: what is timed must have the machine for itself."""

from __future__ import annotations

from collections.abc import Callable

from widgets.background import Outcome, Task
from widgets.bridge.contest import Contest
from widgets.bridge.listener import Listener
from widgets.bridge.meanwhile import Meanwhile
from widgets.bridge.sensing import Sensing
from workbench.context import Report


class Quiet:
    """Stops what nobody waits for, and lets the preparing go on once something was timed."""

    def __init__(self, meanwhile: Meanwhile, contest: Contest, sensing: Sensing) -> None:
        self._meanwhile, self._contest, self._sensing = meanwhile, contest, sensing

    def task(self, work: Callable[[Report], None], listener: Listener) -> Task:
        """Return work to be done in quiet, which begins with this call."""
        self._meanwhile.cancel()
        self._contest.cancel()
        self._sensing.pause()

        def ended(outcome: Outcome, sentence: str) -> None:
            listener.ended(outcome, sentence)
            self._sensing.resume()
            if outcome is not Outcome.CANCELLED:
                self._meanwhile.resume()

        return Task(work=work, progress=listener.progress, ended=ended)
