"""What all capabilities work with: the state that panels share, the store, and whose code may run."""

from __future__ import annotations

import threading
from typing import Any

from widgets.state import AppState
from workbench.context import Progress, Report
from workbench.courtesy import giving_way
from workbench.errors import Refused
from workbench.result import Job
from workbench.run import prepare
from workbench.store import Store


class Desk:
    """See the module. `user_models` are the names that may run code from a file."""

    def __init__(self, state: AppState, store: Store | None, user_models: tuple[str, ...]) -> None:
        self.state = state
        self._store = store
        self._opening = threading.Lock()
        self._user_models = user_models

    @property
    def store(self) -> Store:
        """The store, opened when it is first needed. Raises `Refused`."""
        with self._opening:
            if self._store is None:
                self._store = Store()
            return self._store

    @property
    def measured(self) -> bool:
        """Whether the present choices have their final row."""
        return not self.state.busy and self.state.current is not None

    def options(self, job: Job, report: Report) -> dict[str, Any]:
        """Return what the engine is asked with besides the job, for work that gives way to other pages' answers."""
        return self.asked(job, giving_way(report))

    def asked(self, job: Job, report: Report) -> dict[str, Any]:
        """Return what the engine is asked with besides the job, for work with a place in the line, or that is timed."""
        return {"report": report, "user_code": job.model.name in self._user_models}

    def publish(self, report: Report, **values: Any) -> None:
        """Set traits of the state, unless there is a newer request than the one that `report` belongs to."""
        with self.state.lock:
            report(Progress(0.0, ""))  # stops here if there is a newer request
            self.state.put(**values)

    def trained_store(self, job: Job, report: Report) -> Store | None:
        """Return where the file of a job is that trains: looking closer never trains. Raises `Refused`."""
        if not job.recipe.trains:
            return None
        if not self.store.packed(prepare(job, **self.options(job, report)).key(job)):
            raise Refused("the file of this training was removed: press Train to make it again")
        return self.store
