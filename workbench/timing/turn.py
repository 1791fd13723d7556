"""One measurement at a time on this machine: those of other kernels wait as well, or both would be wrong."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from filelock import FileLock, Timeout

from workbench.context import Progress, Report
from workbench.errors import Refused
from workbench.resources import cache_home

_ASK_SECONDS = 0.2


@contextmanager
def turn(report: Report) -> Iterator[None]:
    """Hold the one place for measuring; waits for it, and is cancelled meanwhile by what `report` raises."""
    try:
        cache_home().mkdir(parents=True, exist_ok=True)
        lock = FileLock(cache_home() / "timing.lock", thread_local=False)
        patience = 0.0  # who need not wait is not told of waiting
        while not lock.is_locked:
            try:
                lock.acquire(timeout=patience)
            except Timeout:
                report(Progress(0.0, "waiting for another measurement on this machine"))
                patience = _ASK_SECONDS
    except OSError as error:
        raise Refused(f"measuring needs a lock in {cache_home()}, which cannot be written: {error.strerror}") from None
    try:
        yield
    finally:
        lock.release()
