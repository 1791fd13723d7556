"""Searches for the best recipe: the front of plans that a slider moves along, and automatic compression."""

from __future__ import annotations

from collections.abc import Callable

from widgets.background import Background
from widgets.bridge.desk import Desk
from widgets.bridge.listener import Listener
from widgets.bridge.saved import Saved
from workbench.auto import Attempt, auto_compress
from workbench.context import Progress, Report
from workbench.search.budget import along, ground
from workbench.search.contender import Contender
from workbench.search.limits import Limits
from workbench.search.plan import Plan, front

POINTS = 16
"""Plans on the front."""


class Searching:
    """Runs one search at a time, in place of the one before; what it found stays."""

    def __init__(self, desk: Desk, saved: Saved) -> None:
        self._desk, self._saved = desk, saved
        self._thread = Background("searching")

    def plan(
        self,
        protected: frozenset[str],
        solved: Callable[[tuple[Plan, ...]], None],
        made: Callable[[int, Contender], None],
        listener: Listener,
    ) -> None:
        """Measure the layers of the model, solve a front of plans over file sizes, then make each of them for real."""
        job = self._desk.state.job

        def work(report: Report) -> None:
            options = self._desk.options(job, report)
            found = ground(job, Limits(size_bytes=1.0), protected=protected, **options)
            plans = tuple(front(found.tables, POINTS))
            report(Progress(1.0, ""))  # nothing is told after a cancel
            solved(plans)
            for number, contender in along(found, plans, options["report"]):
                report(Progress(1.0, ""))
                made(number, contender)

        self._thread.submit(listener.task(work))

    def auto(
        self,
        limits: Limits,
        seconds: float,
        train: bool,
        protected: frozenset[str],
        attempted: Callable[[Attempt], None],
        listener: Listener,
    ) -> None:
        """Compress the model to a target; each best so far is a saved row at once."""
        job = self._desk.state.job

        def work(report: Report) -> None:
            options = self._desk.options(job, report)
            stream = auto_compress(
                job, limits, seconds=seconds, train=train, protected=protected, store=self._desk.store, **options
            )
            for attempt in stream:
                if attempt.row is not None:
                    self._saved.reload()
                attempted(attempt)

        self._thread.submit(listener.task(work))

    def cancel(self) -> None:
        """Stop within a batch; the best so far is kept."""
        self._thread.cancel()
