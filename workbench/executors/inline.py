"""One job after the other, in this process."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import final

from workbench.context import Report, ignore
from workbench.executing import Answer, Crew, Executor, Parcel
from workbench.executors._answering import answered
from workbench.registry import executors


@executors.register
@final
@dataclass(frozen=True, kw_only=True)
class Inline(Executor):
    """Does what `run` does, job by job; a cancel stops within a batch."""

    name = "inline"
    title = "In this process"
    summary = "One job after the other, with nothing to start: for few jobs, and for steps made in a notebook."
    has_workers = False

    @contextmanager
    def open(self, report: Report = ignore) -> Iterator[Crew]:
        yield _one_by_one


def _one_by_one(parcels: Iterable[Parcel], report: Report = ignore) -> Iterator[Answer]:
    for parcel in parcels:
        yield answered(parcel, parcel.job, report)
