"""The search for an architecture, and the training of what it finds."""

from __future__ import annotations

from collections.abc import Callable

from widgets.background import Background
from widgets.bridge.desk import Desk
from widgets.bridge.listener import Listener
from workbench.context import Progress, Report
from workbench.courtesy import giving_way
from workbench.errors import Refused
from workbench.models import _weights
from workbench.registry import spaces
from workbench.result import DataRef, ModelRef, Status
from workbench.search.candidate import Candidate
from workbench.search.finish import finished
from workbench.search.nas import search_architectures
from workbench.search.nas_plan import Plan


class Architectures:
    """Searches, or trains one network, in place of whatever of the two was begun before."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._thread = Background("architectures")

    def search(self, plan: Plan, tried: Callable[[Candidate], None], listener: Listener) -> None:
        """Tell each candidate as it is tried."""

        def work(report: Report) -> None:
            for candidate in search_architectures(plan, report=giving_way(report)):
                report(Progress(0.0, ""))  # nothing is told after a cancel
                tried(candidate)

        self._thread.submit(listener.task(work))

    def use(self, name: str, data: DataRef, listener: Listener) -> None:
        """Train a network of a space fully, unless it was before, and put it into the state, for all sliders."""

        def work(report: Report) -> None:
            row = finished(name, data, self._desk.state.seed, report=giving_way(report))
            if row.status is not Status.OK:
                raise Refused(row.message)
            self._desk.publish(report, model=ModelRef(name=name), data=data)

        self._thread.submit(listener.task(work))

    def cancel(self) -> None:
        """Stop within a batch."""
        self._thread.cancel()

    def kept(self) -> tuple[str, ...]:
        """Return the networks of all spaces that have weights on this machine."""
        return tuple(name for name in _weights.kept() if name.partition(":")[0] in spaces)
