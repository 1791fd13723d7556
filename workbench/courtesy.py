"""Who is waited for goes first: work of other processes on this machine pauses while a page awaits its answer.

Priorities of the operating system cannot do this: a thread of low priority that waits for a processor holds the
interpreter's lock meanwhile, and with it the thread of its process that somebody waits for. So work pauses by itself,
where it reports its progress. Processes know of each other by empty files, because these need no server and no lock;
whatever their clocks or a killed process do to them, the worst is a pause that was not needed.
"""

from __future__ import annotations

import itertools
import os
import re
import time
from contextlib import suppress
from enum import IntEnum
from pathlib import Path
from typing import NamedTuple

from workbench.context import Progress, Report
from workbench.resources import PROCESSORS, cache_home

_LASTS_SECONDS = 10.0
"""Nobody is given way to for longer at one time: whoever was killed is forgotten."""
_LITTER_SECONDS = 3600.0
"""Whose mark is so old was killed, or has no use for it: it is removed by whoever sees it."""
_PAUSE_SECONDS = 3.0
"""The longest pause at one report: on a machine that is never free all work goes on, if slowly."""
_LOOK_SECONDS = 0.02
_AT_ONCE = max(1, PROCESSORS - 1)
"""How many processes work at a time on what is not urgent: one processor is left to whoever asks next."""
_numbers = itertools.count()


class Urgency(IntEnum):
    """What a person is without until some work is done, the most urgent first."""

    ANSWER = 0
    """A page has no answer yet to what was asked last."""
    REST = 1
    """There is an answer; a better one, or the end of something long, is awaited."""
    NOTHING = 2
    """Nobody asked for it yet."""


class _Mark(NamedTuple):
    """One file, by its name; marks sort into the order in which they are served."""

    urgency: Urgency
    begun: float
    process: int
    number: int

    @property
    def name(self) -> str:
        return f"{self.urgency:d}-{self.begun:.6f}-{self.process}-{self.number}"


class Place:
    """A place in the line of all work with the same home: the most urgent first, and of that the first come.

    Enter it, and give the work its `report`. Where the home cannot be written, all work goes on side by side.
    """

    def __init__(self, report: Report, urgency: Urgency = Urgency.ANSWER) -> None:
        self._report, self._urgency = report, urgency
        self._mark: _Mark | None = None

    def __enter__(self) -> Place:
        self.take(self._urgency)
        return self

    def __exit__(self, *_: object) -> None:
        self._end()

    def take(self, urgency: Urgency) -> None:
        """Go on with something of this urgency, behind all that wait with the same."""
        self._end()
        self._mark = mark = _Mark(urgency, time.time(), os.getpid(), next(_numbers))
        with suppress(OSError):
            _folder().mkdir(parents=True, exist_ok=True)
            (_folder() / mark.name).touch()

    def report(self, news: Progress) -> None:
        """Report progress, and pause while others are before this work."""
        self._report(news)
        if self._mark is not None:
            _pause(self._report, news, self._mark)

    def _end(self) -> None:
        if self._mark is not None:
            with suppress(OSError):
                (_folder() / self._mark.name).unlink(missing_ok=True)
            self._mark = None


def giving_way(report: Report) -> Report:
    """Return a report for work that has no place in the line, but pauses while other processes owe an answer."""

    def patient(news: Progress) -> None:
        report(news)
        _pause(report, news, None)

    return patient


def _pause(report: Report, news: Progress, mine: _Mark | None) -> None:
    end = time.monotonic() + _PAUSE_SECONDS
    while _must_wait(mine) and time.monotonic() < end:
        time.sleep(_LOOK_SECONDS)
        report(news)  # it may be stopped meanwhile


def _must_wait(mine: _Mark | None) -> bool:
    """Return whether others go first. A process that owes an answer itself waits for nobody: it may hold what it needs.

    `mine` is None for work without a place.
    """
    urgency = Urgency.REST if mine is None else mine.urgency
    marks, here = _marks(), os.getpid()
    if any(mark.process == here and mark.urgency is Urgency.ANSWER for mark in marks):
        return False
    others = [mark for mark in marks if mark.process != here]
    if any(mark.urgency < urgency for mark in others):
        return True
    return mine is not None and sum(mark < mine for mark in others) >= _AT_ONCE


def _marks() -> list[_Mark]:
    now, found = time.time(), []
    with suppress(OSError), os.scandir(_folder()) as entries:
        for entry in entries:
            told = re.fullmatch(r"([012])-(\d+\.\d+)-(\d+)-(\d+)", entry.name)
            if told is None:
                continue
            mark = _Mark(Urgency(int(told[1])), float(told[2]), int(told[3]), int(told[4]))
            if abs(now - mark.begun) < _LASTS_SECONDS:
                found.append(mark)
            elif now - mark.begun > _LITTER_SECONDS:
                Path(entry).unlink(missing_ok=True)
    return found


def _folder() -> Path:
    return cache_home() / "line"
