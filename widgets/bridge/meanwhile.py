"""What is done while nobody waits: first what is looked at, then what may be asked for next."""

from __future__ import annotations

import time

from widgets.background import Background, Task
from widgets.bridge.desk import Desk
from workbench.ahead import prepare_ahead
from workbench.context import Progress, Report
from workbench.courtesy import InLine, Urgency
from workbench.errors import Refused
from workbench.result import Job
from workbench.run import layer_view

_NEWS_SECONDS = 0.25


class Meanwhile:
    """Measures the layers while a panel shows them, and solves the positions of the sliders around the present one."""

    def __init__(self, desk: Desk) -> None:
        self._desk, self._state = desk, desk.state
        self._layers_shown_in: set[str] = set()
        self._opened = False
        self.thread = Background("ahead")

    def open(self) -> None:
        """Say that a page shows all this: a kernel that a server keeps warm leaves the processor to those that do."""
        with self._state.lock:
            if not self._opened:
                self._opened = True
                self.resume()

    def show_layers(self, wanted: bool, panel: str = "layers") -> None:
        """Say whether a panel shows the layers: while any does, their view follows each final row."""
        with self._state.lock:
            (self._layers_shown_in.add if wanted else self._layers_shown_in.discard)(panel)
            if wanted:
                self.resume()

    def resume(self) -> None:
        """Begin, unless the present choices have no final row yet: then somebody waits."""
        with self._state.lock:
            if self._desk.measured:
                self.begin(self._state.job)

    def begin(self, job: Job) -> None:
        """Begin for a job that has its final row."""

        def work(report: Report) -> None:
            if self._layers_shown_in:
                self._view_layers(job, report)
            if self._opened:
                self._prepare(job, report)

        self.thread.submit(Task(work=work))

    def cancel(self) -> None:
        """Stop: the processor belongs to whoever is waiting."""
        self.thread.cancel()

    def _view_layers(self, job: Job, report: Report) -> None:
        known = self._state.layer_view
        if known is not None and known.job == job:
            return
        try:
            store = self._desk.trained_store(job, report)
            found = layer_view(job, store=store, **self._desk.options(job, report))
        except Refused as refusal:
            self._desk.publish(report, layer_view=None, layer_error=str(refusal))
        else:
            self._desk.publish(report, layer_view=found, layer_error="")

    def _prepare(self, job: Job, report: Report) -> None:
        told, ahead = time.monotonic(), None
        with InLine(report, Urgency.NOTHING) as place:
            for ahead in prepare_ahead(job, **self._desk.asked(job, report)):
                if time.monotonic() - told >= _NEWS_SECONDS:
                    told = time.monotonic()
                    self._desk.publish(report, ahead=ahead)
                place.take(Urgency.NOTHING)  # after each position others are next
                place.report(Progress(0.0, ""))  # and only then: within one it holds what others here may need
        self._desk.publish(report, ahead=ahead if ahead is not None and ahead.done == ahead.of else None)
