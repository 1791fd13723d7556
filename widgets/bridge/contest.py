"""The contest of methods."""

from __future__ import annotations

from collections.abc import Callable

from widgets.background import Background
from widgets.bridge.desk import Desk
from widgets.bridge.listener import Listener
from workbench.context import Progress, Report
from workbench.recipe import Step
from workbench.reconstruction.contest import Entry
from workbench.run import contest, settled


class Contest:
    """Runs one contest at a time, in place of the one before."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._thread = Background("contest")

    def compare(
        self, number: int, entered: Callable[[Entry], None], decided: Callable[[Step], None], listener: Listener
    ) -> None:
        """Try each method of step `number` of the present recipe; `decided` gets the step as "auto" makes it."""
        job = self._desk.state.job

        def work(report: Report) -> None:
            options = self._desk.options(job, report)
            for entry in contest(job, number, **options):
                report(Progress(1.0, ""))  # nothing is told after a cancel
                entered(entry)
            decided(settled(job, number, **options))

        self._thread.submit(listener.task(work))

    def cancel(self) -> None:
        """Stop within a layer."""
        self._thread.cancel()
