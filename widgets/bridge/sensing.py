"""What each layer bears, measured while the sliders stay usable."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from widgets.background import Background, Outcome, Task
from widgets.bridge.desk import Desk
from widgets.bridge.listener import Listener
from workbench.context import Report
from workbench.recipe import Recipe
from workbench.result import Estimate, Job
from workbench.search.sensitivity import Sensitivity, agreement, sensitivity

Heard = Callable[[tuple[Sensitivity, ...], Estimate | None], None]
"""Gets all that is known so far, and how well the cheap score ranks it."""

_NEWS_SECONDS = 0.4
"""How often a page is sent what is new: a heat map takes longer to draw than some of its cells to measure."""


@dataclass(frozen=True, kw_only=True)
class _Asked:
    job: Job
    technique: str
    heard: Heard
    listener: Listener


class Sensing:
    """One search at a time. It makes way for whoever waits, and goes on afterwards: what was measured is kept."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._thread = Background("sensitivity")
        self._asked: _Asked | None = None
        self._paused = False
        self._lock = desk.state.lock  # that of the page: a second one could be taken in another order

    def look(self, technique: str, heard: Heard, listener: Listener) -> None:
        """Measure the layers of the original with one technique, in place of a search that is running."""
        job = dataclasses.replace(self._desk.state.job, recipe=Recipe())
        with self._lock:
            self.cancel()
            self._asked = _Asked(job=job, technique=technique, heard=heard, listener=listener)
            self._paused = False
            self._thread.submit(self._task(self._asked))

    def cancel(self) -> None:
        """Stop between two batches, for good."""
        with self._lock:
            asked, self._asked = self._asked, None
            waits, self._paused = self._paused, False
            self._thread.cancel()
        if asked is not None and waits:  # nothing runs that could tell
            asked.listener.ended(Outcome.CANCELLED, "")

    def pause(self) -> None:
        """Stop between two batches, until `resume`."""
        with self._lock:
            if self._asked is not None and not self._paused:
                self._paused = True
                self._thread.cancel()

    def resume(self) -> None:
        """Go on with what was paused, unless somebody waits: then the end of that waiting resumes it."""
        with self._lock:
            if self._asked is not None and self._paused and not self._desk.state.busy:
                self._paused = False
                self._thread.submit(self._task(self._asked))

    def _task(self, asked: _Asked) -> Task:
        def work(report: Report) -> None:
            self._search(asked, report)

        def ended(outcome: Outcome, sentence: str) -> None:
            with self._lock:
                if asked is self._asked and outcome is Outcome.CANCELLED:
                    return  # paused: it is not at its end
                if asked is self._asked:
                    self._asked = None
            asked.listener.ended(outcome, sentence)

        return Task(work=work, progress=asked.listener.progress, ended=ended)

    def _search(self, asked: _Asked, report: Report) -> None:
        found: dict[tuple[str, Any], Sensitivity] = {}
        told = 0.0
        options = self._desk.options(asked.job, report)
        for item in sensitivity(asked.job, techniques=[asked.technique], **options):
            found[item.layer, item.value] = item
            if time.monotonic() - told >= _NEWS_SECONDS:
                asked.heard(*_news(found))
                told = time.monotonic()
        asked.heard(*_news(found))


def _news(found: Mapping[tuple[str, Any], Sensitivity]) -> tuple[tuple[Sensitivity, ...], Estimate | None]:
    items = tuple(found.values())
    return items, agreement(items)
