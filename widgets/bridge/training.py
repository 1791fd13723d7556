"""Training that a person waits for."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

from widgets.background import Background
from widgets.bridge.desk import Desk
from widgets.bridge.listener import Listener
from widgets.bridge.saved import Saved
from workbench.context import Report
from workbench.errors import Refused
from workbench.recipe import Recipe, Step
from workbench.result import Job, Result, Status
from workbench.run import run


class Training:
    """Trains one recipe at a time, in place of the one before; rows that are finished are saved.

    `refresh` measures the present choices again: they may have waited for this.
    """

    def __init__(self, desk: Desk, saved: Saved, refresh: Callable[[], None]) -> None:
        self._desk, self._saved, self._refresh = desk, saved, refresh
        self._thread = Background("training")

    @property
    def running(self) -> bool:
        """Whether a training is running."""
        return self._thread.running

    def train(
        self,
        step: Step,
        control: bool,
        begun: Callable[[int, int, str], None],
        measured: Callable[[str, Result], None],
        listener: Listener,
    ) -> None:
        """Train the present recipe with one more step, and its control arm where asked.

        A recipe that was pasted or restored and has this very step already is trained as it is. `begun` gets the number
        of the arm, how many there are and its title ("" for the recipe itself); `measured` its title and final row.
        """
        job = self._desk.state.job
        live = tuple(s for s in job.recipe.steps if not s.trains)
        recipe = job.recipe if step in job.recipe.steps else Recipe((*live, step))
        arms = [("", recipe)]
        if control and (other := recipe.control()) is not None:
            arms.append(other)

        def work(report: Report) -> None:
            for number, (title, arm) in enumerate(arms):
                begun(number, len(arms), title)
                measured(title, self._train_one(dataclasses.replace(job, recipe=arm), report))
                if self._desk.state.job.recipe == arm:  # it was pasted or restored, and waited for this
                    self._refresh()

        self._thread.submit(listener.task(work))

    def cancel(self) -> None:
        """Stop within a batch."""
        self._thread.cancel()

    def _train_one(self, job: Job, report: Report) -> Result:
        *_, row = run(job, store=self._desk.store, **self._desk.options(job, report))
        if row.status is not Status.OK:
            raise Refused(row.message)
        self._saved.reload()
        return row
