"""The drawing of the graph."""

from __future__ import annotations

from widgets.background import Background, Outcome, Task
from widgets.bridge.desk import Desk
from workbench.context import Report
from workbench.drawing import drawn
from workbench.result import Job


class Graph:
    """Draws the network of each final row while somebody looks."""

    def __init__(self, desk: Desk) -> None:
        self._desk, self._state = desk, desk.state
        self._shown = False
        self._thread = Background("graph")

    def show(self, wanted: bool) -> None:
        """Say whether anybody looks."""
        with self._state.lock:
            self._shown = wanted
            if wanted and self._desk.measured:
                self.draw(self._state.job)

    def draw(self, job: Job) -> None:
        """Draw a job that has its final row, if anybody looks and it is not drawn yet."""
        known = self._state.drawing
        if not self._shown or (known is not None and known.job == job):
            return

        def work(report: Report) -> None:
            store = self._desk.trained_store(job, report)
            found = drawn(job, store=store, **self._desk.options(job, report))
            self._desk.publish(report, drawing=found, drawing_error="")

        def ended(outcome: Outcome, sentence: str) -> None:
            if outcome is Outcome.FAILED:
                self._state.put(drawing=None, drawing_error=sentence)

        self._thread.submit(Task(work=work, ended=ended))

    def cancel(self) -> None:
        """Stop: another network is asked for."""
        self._thread.cancel()
