"""Sweeps: many jobs, each done once, by any executor, their rows told and kept as they are finished.

A row is in the store before it is told, so whatever ends a sweep, be it Cancel, Ctrl-C, a scheduler that goes away or a
power cut, takes only what was under way; the same sweep again does the rest. Several sweeps may share a store: each
looks for a job there once more before it begins it.
"""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from workbench.context import Progress, Report, ignore
from workbench.errors import Refused
from workbench.executing import Answer, Executor, Parcel
from workbench.executors._answering import parcelled
from workbench.executors.inline import Inline
from workbench.result import Job, Result, Status
from workbench.run import environment, kept, prepare

if TYPE_CHECKING:
    from workbench.store import Store

_INLINE = Inline()


def sweep(
    jobs: Iterable[Job],
    *,
    executor: Executor = _INLINE,
    store: Store | None = None,
    report: Report = ignore,
    user_code: bool = True,
) -> Iterator[Result]:
    """Yield one final row for each different job: those in the store first, the others as they are finished.

    A job that fails is a row with a sentence; it is told and not kept, so that the next sweep tries it again. Raises
    `Refused` before anything is begun where a job cannot travel to the executor's workers or the store cannot be read,
    and later where the workers are lost for good; `Cancelled`, raised by `report`, passes through.
    """
    jobs = [*jobs]
    for job in jobs:
        executor.check(job)
    parcels: dict[str, Parcel] = {}
    for number, job in enumerate(jobs):
        report(Progress(0.0, f"looking at job {number + 1} of {len(jobs)}"))
        try:
            parcel = parcelled(job, prepare(job, user_code=user_code))
        except Refused as refusal:
            yield _refused(job, refusal)
            continue
        if parcel.key not in parcels:
            parcels[parcel.key] = parcel
    unknown = []
    for parcel in parcels.values():
        if (row := None if store is None else store.get(parcel.key)) is not None:
            yield dataclasses.replace(row, job=parcel.job)
        else:
            unknown.append(parcel)
    if unknown:
        yield from _done(unknown, executor, store, _Count(len(unknown), report))


def _done(parcels: list[Parcel], executor: Executor, store: Store | None, count: _Count) -> Iterator[Result]:
    """Yield the rows of jobs that nobody had done when the sweep began."""
    jobs = {parcel.key: parcel.job for parcel in parcels}
    found: list[Result] = []

    def still_unknown() -> Iterator[Parcel]:
        for parcel in parcels:
            row = _meanwhile(parcel, store)
            if row is None:
                yield parcel
            else:
                found.append(row)

    def told() -> Iterator[Result]:
        while found:
            count.done += 1
            yield found.pop()

    with executor.open(count.report) as crew:
        for answer in crew(still_unknown(), count.heard):
            yield from told()
            count.done += 1
            yield _row(answer, jobs[answer.key], store)
    yield from told()


def _row(answer: Answer, job: Job, store: Store | None) -> Result:
    row = dataclasses.replace(answer.row, job=job)  # its files lay elsewhere where it was done
    return kept(row, answer.packed, store) if row.status is Status.OK and store is not None else row


def _meanwhile(parcel: Parcel, store: Store | None) -> Result | None:
    """Return the row that another sweep has found since this one began."""
    try:
        row = None if store is None else store.get(parcel.key)
    except Refused:  # it could be read when the sweep began; the rows say what has become of it
        return None
    return row and dataclasses.replace(row, job=parcel.job)


def _refused(job: Job, refusal: Refused) -> Result:
    return Result(job=job, key="", status=Status.FAILED, message=str(refusal), final=True, environment=environment())


class _Count:
    """How far a sweep has come: turns the news of single jobs into those of the whole."""

    def __init__(self, of: int, report: Report) -> None:
        self.of, self.report = of, report
        self.done = 0
        self._began = time.monotonic()

    def heard(self, news: Progress) -> None:
        """Tell how many jobs are done, how long the rest may take, and what the present one says."""
        parts = [f"{self.done} of {self.of} jobs done", self._left(), news.message]
        fraction = min(1.0, (self.done + news.fraction) / self.of)
        self.report(Progress(fraction, ", ".join(filter(None, parts)), news.curves))

    def _left(self) -> str:
        if self.done == 0:
            return ""
        seconds = (time.monotonic() - self._began) / self.done * (self.of - self.done)
        return f"about {seconds:.0f} s left" if seconds < 100 else f"about {seconds / 60:.0f} min left"
