"""The history of all that was measured: written, searched, marked and restored while nobody waits for the disk."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass

import traitlets

from widgets.background import Background, Outcome, Task
from widgets.bridge.desk import Desk
from widgets.bridge.files import Files
from widgets.bridge.offered import Offered
from widgets.bridge.saved import Saved
from workbench.context import Progress, Report
from workbench.errors import Refused
from workbench.history import Entry, Page, Points, Query, entry, names, page, points
from workbench.result import Job, Result
from workbench.tabular import exported

Told = Callable[[str], None]


@dataclass(frozen=True, kw_only=True)
class Look:
    """What was found, from one look into the store."""

    query: Query
    page: Page
    models: tuple[str, ...]
    data: tuple[str, ...]
    selected: Entry | None


class History(traitlets.HasTraits):
    """What is written is done in turn, all of it; of looks, only the latest is wanted."""

    changed = traitlets.Int(0, help="rises whenever the history may have changed")
    problem = traitlets.Unicode("", help="why what is measured is not remembered, or nothing")

    def __init__(self, desk: Desk, saved: Saved, files: Files) -> None:
        super().__init__()
        self._desk, self._saved, self._files = desk, saved, files
        self._lock = threading.Lock()
        self._rows: list[Result] = []
        self._acts: list[tuple[Callable[[], None], Told]] = []
        self.writing, self.looking = Background("history"), Background("history-look")

    def remember(self, row: Result) -> None:
        """Put a final row that was measured in passing into the store, soon; whoever moves a slider does not wait."""
        with self._lock:
            self._rows.append(row)
        self._write()

    def look(
        self,
        query: Query,
        axis: str,
        selected: str,
        found: Callable[[Look], None],
        drawn: Callable[[Points], None],
        refused: Told,
    ) -> None:
        """Look for rows and hand over first what is read, then what is drawn; a refusal is told as a sentence."""

        def work(report: Report) -> None:
            store = self._desk.store
            models, data = names(store)
            found(
                Look(
                    query=query,
                    page=page(store, query),
                    models=models,
                    data=data,
                    selected=entry(store, selected),
                )
            )
            report(Progress(0.5, ""))  # stops here if there is a newer look
            drawn(points(store, query, axis))

        def ended(outcome: Outcome, sentence: str) -> None:
            if outcome is Outcome.FAILED:
                refused(sentence)

        self.looking.submit(Task(work=work, ended=ended))

    def set_star(self, key: str, star: bool, refused: Told) -> None:
        """Mark a row, or take its mark away; what has one is drawn among the saved points."""
        self._do(lambda: self._desk.store.set_star(key, star), refused)

    def set_note(self, key: str, text: str, refused: Told) -> None:
        """Write words beside a row."""
        self._do(lambda: self._desk.store.set_note(key, text), refused)

    def remove(self, key: str, refused: Told) -> None:
        """Forget a row and its file."""
        self._do(lambda: self._desk.store.remove(key), refused)

    def restore(self, key: str, offered: Offered, refused: Told) -> None:
        """Set the sliders to a row, and model and data where it is about others."""

        def act() -> None:
            row, state = self._read(key), self._desk.state
            with state.lock:
                if self._saved.comparable(row) is not None:
                    state.put(recipe=row.job.recipe)
                else:
                    job = offered.job(row.job)
                    state.put(model=job.model, data=job.data, recipe=job.recipe, seed=job.seed)

        self._do(act, refused)

    def job(self, key: str) -> Job:
        """Return what a row was asked for. Raises `Refused`."""
        return self._read(key).job

    def compare(self, keys: Iterable[str], compared: Callable[[list[Result]], None], refused: Told) -> None:
        """Hand over whole rows by key; those that were removed meanwhile or cannot be read are left out."""
        wanted = list(keys)

        def act() -> None:
            rows = (self._desk.store.get(key) for key in wanted)
            compared([row for row in rows if row is not None])

        self._do(act, refused)

    def export(self, query: Query, kind: str, ready: Callable[[bytes], None], refused: Told) -> None:
        """Hand over all that is found as a file, `csv` or `json`."""
        self._files.hand_over(lambda _: exported(self._desk.store, query, kind), ready, refused)

    def refresh(self) -> None:
        """Say that rows may have come from elsewhere, such as another process."""
        with self._desk.state.lock:
            self.changed += 1

    def _read(self, key: str) -> Result:
        row = self._desk.store.get(key)
        if row is None:
            raise Refused("this result was removed, or made by a technique that is not installed here")
        return row

    def _do(self, act: Callable[[], None], refused: Told) -> None:
        with self._lock:
            self._acts.append((act, refused))
        self._write()

    def _write(self) -> None:
        self.writing.submit(Task(work=lambda _: self._drain()))

    def _drain(self) -> None:
        """Do all that waits: rows with one write, because each waits for the disk."""
        with self._lock:
            rows, self._rows = self._rows, []
            acts, self._acts = self._acts, []
        if not rows and not acts:
            return  # done by the turn before
        problem = ""
        try:
            if rows:
                self._desk.store.remember(rows)
        except Refused as refusal:
            problem = f"what is measured is not remembered: {refusal}"
        for act, refused in acts:
            try:
                act()
            except Refused as refusal:
                refused(str(refusal))
        with self._desk.state.lock:
            if rows:
                self.problem = problem
            if acts:
                self._saved.reload()
        self.refresh()
