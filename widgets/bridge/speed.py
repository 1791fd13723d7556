"""How fast the present choices run, and why they are not faster."""

from __future__ import annotations

from collections.abc import Callable

from widgets.background import Background
from widgets.bridge.desk import Desk
from widgets.bridge.listener import Listener
from widgets.bridge.quiet import Quiet
from workbench.checkup import Checkup, check_up
from workbench.context import Report
from workbench.result import Job


class Speed:
    """Measures when asked, in place of a measurement that is running; any move of a slider stops it."""

    def __init__(self, desk: Desk, quiet: Quiet) -> None:
        self._desk, self._quiet = desk, quiet
        self._thread = Background("speed")

    def measure(
        self, against: Job | None, batch: int, threads: int, measured: Callable[[Checkup], None], listener: Listener
    ) -> None:
        """Time the present choices beside another job, or their original; nothing is prepared ahead meanwhile."""
        job = self._desk.state.job

        def work(report: Report) -> None:
            store = self._desk.trained_store(job, report)
            if store is None and against is not None and against.recipe.trains:
                store = self._desk.store
            options = self._desk.asked(job, report)  # a pause would be taken for a slow network
            found = check_up(job, against=against, batch=batch, threads=threads, store=store, **options)
            times = {name: each.now for name, each in found.speed.layers.items() if name and each.now is not None}
            self._desk.publish(report, layer_times=times)
            measured(found)

        self._thread.submit(self._quiet.task(work, listener))

    def cancel(self) -> None:
        """Stop between two runs."""
        self._thread.cancel()
