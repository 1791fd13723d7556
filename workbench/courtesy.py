"""Who is waited for goes first: work of other processes on this machine pauses while a page awaits its answer.

Priorities of the operating system cannot do this: a thread of low priority that waits for a processor holds the
interpreter's lock meanwhile, and with it the thread of its process that somebody waits for. So work pauses by itself,
whenever it reports its progress, and holds nothing.
"""

from __future__ import annotations

import itertools
import os
import re
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from enum import IntEnum
from pathlib import Path

from workbench.context import Progress, Report
from workbench.resources import cache_home

_LASTS_SECONDS = 10.0
"""Nobody is given way to for longer at one time: whoever left without a word is forgotten."""
_PAUSE_SECONDS = 0.5
"""The longest pause at one report: on a machine that is never free all work goes on, if slowly."""
_LOOK_SECONDS = 0.02
_numbers = itertools.count()


class Urgency(IntEnum):
    """What a person is without until some work is done, the most urgent first."""

    ANSWER = 0
    """A page has no answer yet to what was asked last."""
    REST = 1
    """There is an answer; a better one, or the end of something long, is awaited."""
    NOTHING = 2
    """Nobody asked for it yet."""


@contextmanager
def awaited(urgency: Urgency) -> Iterator[None]:
    """Tell other processes with the same home that somebody waits for what is done within.

    Where that home cannot be written nobody is told, and all work goes on side by side.
    """
    mark = _marks() / f"{urgency:d}-{os.getpid()}-{next(_numbers)}"
    with suppress(OSError):
        mark.parent.mkdir(parents=True, exist_ok=True)
        mark.touch()
    try:
        yield
    finally:
        with suppress(OSError):
            mark.unlink(missing_ok=True)


class Wait:
    """Work that a page waits for: until it is answered before all others, then for the rest of it."""

    def __init__(self, report: Report) -> None:
        self._report = self._plain = report
        self._marks = ExitStack()
        self._urgency: Urgency | None = None

    def __enter__(self) -> Wait:
        self._mark(Urgency.ANSWER)
        return self

    def __exit__(self, *_: object) -> None:
        self._marks.close()

    def report(self, news: Progress) -> None:
        """Report progress; gives way to the answers of other processes once there is an answer of its own."""
        self._report(news)

    def answered(self) -> None:
        """Say that the page has an answer."""
        if self._urgency is Urgency.ANSWER:
            self._marks.close()
            self._mark(Urgency.REST)

    def _mark(self, urgency: Urgency) -> None:
        self._urgency, self._report = urgency, giving_way(self._plain, urgency)
        self._marks.enter_context(awaited(urgency))


def giving_way(report: Report, urgency: Urgency) -> Report:
    """Return a report for work of this urgency that pauses while another process does what is more urgent.

    It pauses for no other process while its own is waited for: it may hold what its own needs.
    """
    if urgency is Urgency.ANSWER:
        return report

    def patient(news: Progress) -> None:
        report(news)
        end = time.monotonic() + _PAUSE_SECONDS
        while _more_urgent(urgency) and time.monotonic() < end:
            time.sleep(_LOOK_SECONDS)
            report(news)  # it may be stopped meanwhile

    return patient


def _more_urgent(urgency: Urgency) -> bool:
    with suppress(OSError), os.scandir(_marks()) as marks:
        processes = {mark[2] for entry in marks if (mark := _read(entry)) and int(mark[1]) < urgency}
        return bool(processes) and str(os.getpid()) not in processes
    return False


def _read(entry: os.DirEntry[str]) -> re.Match[str] | None:
    """Return what a mark says, or None for one that is ended or too old, and for whatever else lies there."""
    with suppress(OSError):  # it may end as it is looked at
        if time.time() - entry.stat().st_mtime < _LASTS_SECONDS:
            return re.fullmatch(r"(\d)-(\d+)-\d+", entry.name)
    return None


def _marks() -> Path:
    return cache_home() / "awaited"
