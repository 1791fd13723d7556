"""Who is waited for goes first: on one machine, the kernels of many pages work as if they stood in a line.

An answer that a page waits for is worked on at once. Whatever else kernels do pauses meanwhile; of that, what is
awaited comes before what is only prepared, and of each kind so many processes work at a time that one processor stays
free. Work without a place in the line, such as a training, pauses for answers alone.

Priorities of the operating system cannot do this: a thread of low priority that waits for a processor holds the
interpreter's lock meanwhile, and with it the thread of its process that somebody waits for. So work pauses by itself,
where it reports its progress. Processes know of each other by empty files, because these need no server and no lock;
whatever clocks or a killed process do to them, the worst is a pause that was not needed.
"""

from __future__ import annotations

import dataclasses
import hashlib
import itertools
import os
import re
import tempfile
import time
from contextlib import suppress
from enum import IntEnum
from pathlib import Path
from typing import NamedTuple

from workbench.context import Progress, Report
from workbench.resources import PROCESSORS, cache_home

_LASTS_SECONDS = 10.0
"""A mark that was not renewed for so long is that of a process that was killed or hangs: nobody waits for it."""
_RENEW_SECONDS = 2.0
_LITTER_SECONDS = 3600.0
"""Such a mark is removed by whoever sees it."""
_PAUSE_SECONDS = 3.0
"""The longest pause at one report: on a machine that is never free all work goes on, if slowly."""
_LOOK_SECONDS = 0.02
_AT_ONCE = max(1, PROCESSORS - 1)
"""How many processes work at a time on what is not urgent: one processor is left to whoever asks next."""
_numbers = itertools.count()


class Urgency(IntEnum):
    """How urgent work is, the most urgent first."""

    ANSWER = 0
    """A page has no answer yet to what was asked last."""
    REST = 1
    """There is an answer; a better one is awaited."""
    NOTHING = 2
    """Nobody has asked for it yet."""


class _Mark(NamedTuple):
    """One file, by its name; marks sort into the order in which they are served."""

    urgency: Urgency
    begun: float
    process: int
    number: int

    @property
    def path(self) -> Path:
        return _folder() / f"{self.urgency:d}-{self.begun:.6f}-{self.process}-{self.number}"


_own: set[_Mark] = set()


class InLine:
    """A place in the line of all kernels with the same home: the most urgent first, and of that the first come.

    Enter it, and give the work its `report`. Where marks cannot be written, this work goes on beside all other.
    """

    def __init__(self, report: Report, urgency: Urgency) -> None:
        self._report, self._urgency = report, urgency
        self._mark: _Mark | None = None
        self._renewed = 0.0

    def __enter__(self) -> InLine:
        self.take(self._urgency)
        return self

    def __exit__(self, *_: object) -> None:
        self._end()

    def take(self, urgency: Urgency) -> None:
        """Go on with something of this urgency, behind all that wait with the same."""
        self._end()
        mark = _Mark(urgency, time.time(), os.getpid(), next(_numbers))
        with suppress(OSError):
            mark.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            mark.path.touch()
            self._mark, self._renewed = mark, time.monotonic()
            _own.add(mark)

    def report(self, news: Progress) -> None:
        """Report progress, and pause while others come before this work."""
        self._tell(news)
        if self._mark is not None:
            _pause(self._tell, news, self._mark)

    def _tell(self, news: Progress) -> None:
        self._report(news)
        if self._mark is not None and time.monotonic() - self._renewed > _RENEW_SECONDS:
            self._renewed = time.monotonic()
            with suppress(OSError):
                self._mark.path.touch()

    def _end(self) -> None:
        if self._mark is not None:
            _own.discard(self._mark)
            with suppress(OSError):
                self._mark.path.unlink(missing_ok=True)
            self._mark = None


def giving_way(report: Report) -> Report:
    """Return a report for work that has no place in the line, but pauses while other processes owe an answer."""

    def patient(news: Progress) -> None:
        report(news)
        _pause(report, news, None)

    return patient


def _pause(report: Report, news: Progress, mine: _Mark | None) -> None:
    end, again = time.monotonic() + _PAUSE_SECONDS, dataclasses.replace(news, curves={})  # points are told once
    while _must_wait(mine) and time.monotonic() < end:
        time.sleep(_LOOK_SECONDS)
        report(again)  # it may be stopped meanwhile


def _must_wait(mine: _Mark | None) -> bool:
    """Return whether others go first. A process that owes an answer itself waits for nobody: it may hold what it needs.

    `mine` is None for work without a place.
    """
    if any(mark.urgency is Urgency.ANSWER for mark in tuple(_own)):
        return False
    urgency = Urgency.REST if mine is None else mine.urgency
    others = [mark for mark in _marks() if mark.process != os.getpid()]
    if any(mark.urgency < urgency for mark in others):
        return True
    return mine is not None and len({mark.process for mark in others if mark < mine}) >= _AT_ONCE


def _marks() -> list[_Mark]:
    """Return the marks of living processes."""
    now, found = time.time(), []
    with suppress(OSError), os.scandir(_folder()) as entries:
        for entry in entries:
            told = re.fullmatch(r"([012])-(\d+\.\d+)-(\d+)-(\d+)", entry.name)
            with suppress(OSError):  # it may end as it is looked at, or be somebody else's
                age = abs(now - entry.stat(follow_symlinks=False).st_mtime)
                if told is not None and age < _LASTS_SECONDS:
                    found.append(_Mark(Urgency(int(told[1])), float(told[2]), int(told[3]), int(told[4])))
                elif told is not None and age > _LITTER_SECONDS:
                    os.unlink(entry)  # noqa: PTH108  # an entry is no Path
    return found


def _folder() -> Path:
    """Return where the marks of this home lie: on this machine, wherever the home is."""
    home = hashlib.sha256(str(cache_home().absolute()).encode()).hexdigest()[:16]
    person = os.getuid() if hasattr(os, "getuid") else "all"
    return Path(tempfile.gettempdir()) / f"downsizing-workbench-{person}" / home
