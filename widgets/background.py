"""One thread that does the latest of the works it is given; everything older stops or is never begun.

Threads, not subshells or asyncio, because they work alike in JupyterLab and in Voila; torch releases the interpreter
lock while it computes.
"""

from __future__ import annotations

import atexit
import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum, auto

from workbench.context import Progress, Report, ignore
from workbench.errors import Cancelled, Refused

_log = logging.getLogger(__name__)
_LEAVE_SECONDS = 5


class Outcome(Enum):
    """How a task ended."""

    DONE = auto()
    CANCELLED = auto()
    FAILED = auto()


@dataclass(frozen=True, kw_only=True)
class Task:
    """Work to do in the background."""

    work: Callable[[Report], None]
    progress: Callable[[Progress], None] = ignore
    ended: Callable[[Outcome, str], None] = lambda outcome, sentence: None
    """Is called exactly once for every task that is submitted, also for one that never began; the sentence says why it
    failed. Work that fails after it was replaced counts as cancelled: nobody waits for it any more."""


class Background:
    """One thread; see the module."""

    def __init__(self, name: str) -> None:
        self._wake = threading.Condition()
        self._waiting: Task | None = None
        self._stop = threading.Event()
        self._leaving = False
        self.running = False
        self.started = 0
        """How many works were begun: a burst of requests begins few of them."""
        threading.Thread(target=self._loop, name=name, daemon=True).start()
        atexit.register(self._leave)

    def submit(self, task: Task) -> None:
        """Do this next, in place of whatever runs or waits."""
        self._replace(task)

    def cancel(self) -> None:
        """Stop the running work at its next report, and forget the one that waits."""
        self._replace(None)

    def _replace(self, task: Task | None) -> None:
        with self._wake:
            kept, refused = (None, task) if self._leaving else (task, None)
            dropped, self._waiting = self._waiting, kept
            self._stop.set()
            self._wake.notify_all()
        for never in (dropped, refused):
            if never is not None:
                _tell(never, Outcome.CANCELLED, "")

    def _loop(self) -> None:
        while True:
            with self._wake:
                while self._waiting is None:
                    self._wake.wait()
                task, self._waiting = self._waiting, None
                self._stop.clear()
                self.running = True
                self.started += 1
            outcome, sentence = self._do(task)
            with self._wake:
                self.running = False
                self._wake.notify_all()
            _tell(task, outcome, sentence)

    def _leave(self) -> None:
        """Let the thread come to rest for good: an interpreter that ends while torch computes in a thread aborts."""
        with self._wake:
            self._leaving = True
        self.cancel()
        with self._wake:
            self._wake.wait_for(lambda: not self.running, _LEAVE_SECONDS)

    def _do(self, task: Task) -> tuple[Outcome, str]:
        def report(news: Progress) -> None:
            if self._stop.is_set():
                raise Cancelled
            task.progress(news)

        try:
            task.work(report)
        except Cancelled:
            return Outcome.CANCELLED, ""
        except Refused as refusal:
            sentence = str(refusal)
        except (Exception, SystemExit) as error:  # a bug must reach the page: a thread's traceback does not
            _log.exception("a background task failed")
            sentence = f"this is a fault of the workbench ({type(error).__name__}: {error})"
        else:
            return Outcome.DONE, ""
        return (Outcome.CANCELLED, "") if self._stop.is_set() else (Outcome.FAILED, sentence)


def _tell(task: Task, outcome: Outcome, sentence: str) -> None:
    try:
        task.ended(outcome, sentence)
    except Exception:  # whatever a panel does wrong, the next slider move must be answered
        _log.exception("a listener failed")
