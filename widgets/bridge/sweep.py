"""Sweeps: many recipes of the present network, here or on workers; their rows are saved points as they come."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable, Sequence

from widgets.background import Background
from widgets.bridge.desk import Desk
from widgets.bridge.listener import Listener
from widgets.bridge.saved import Saved
from workbench.context import Report
from workbench.errors import Refused
from workbench.recipe import Recipe
from workbench.registry import executors
from workbench.resources import PROCESSORS
from workbench.result import Result
from workbench.sweep import sweep

MOST_WORKERS = PROCESSORS
_RELOAD_S = 1.0


class Sweeping:
    """One sweep at a time, in place of the one before; nothing else waits for it.

    Whoever sees a dashboard is not the person who runs it: jobs go to no other scheduler than `scheduler`, which the
    author of the notebook named, and there are never more workers than processors.
    """

    def __init__(self, desk: Desk, saved: Saved, scheduler: str) -> None:
        self._desk, self._saved, self._scheduler = desk, saved, scheduler
        self._thread = Background("sweep")

    @property
    def places(self) -> dict[str, str]:
        """Title by name of the executors that may be used here."""
        found = {executor.name: executor.title for executor in executors}
        if not self._scheduler:
            found.pop("dask")
        return {"inline": found.pop("inline")} | found

    def begin(
        self,
        recipes: Sequence[Recipe],
        place: str,
        workers: int,
        measured: Callable[[Result], None],
        listener: Listener,
    ) -> None:
        """Measure the present network under each recipe; `measured` gets each row once it is saved."""
        job = self._desk.state.job

        def work(report: Report) -> None:
            if place not in self.places or workers > MOST_WORKERS:
                raise Refused(f"choose one of {', '.join(self.places)} and up to {MOST_WORKERS} workers")
            cls = executors.get(place)
            executor = cls(scheduler=self._scheduler) if cls.has_scheduler else cls(workers=workers)
            jobs = [dataclasses.replace(job, recipe=recipe) for recipe in recipes]
            due = 0.0
            try:
                for row in sweep(jobs, executor=executor, store=self._desk.store, **self._desk.options(job, report)):
                    measured(row)
                    if time.monotonic() >= due:
                        begun = time.monotonic()
                        self._saved.reload()
                        # reading all rows again takes longer the more there are
                        due = time.monotonic() + max(_RELOAD_S, 5 * (time.monotonic() - begun))
            finally:
                self._saved.reload()

        self._thread.submit(listener.task(work))

    def cancel(self) -> None:
        """Stop; what was finished is saved."""
        self._thread.cancel()
