"""Several processes on this machine, one job in each at a time."""

from __future__ import annotations

import functools
import multiprocessing
import os
import signal
import time
from collections import Counter, deque
from collections.abc import Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from multiprocessing.context import SpawnContext
from multiprocessing.synchronize import Event
from typing import Any, final

from workbench.context import Progress, Report, ignore
from workbench.executing import POLL_S, TRIES, Answer, Crew, Executor, Parcel
from workbench.executors._answering import failed
from workbench.executors._process import begin, work
from workbench.registry import executors
from workbench.result import Result

_GRACE_S = 5.0
"""How long a worker may take to come to the end of its batch before it is killed."""

_DIED = (
    f"the process that did this job has died {TRIES} times, perhaps for want of memory: use fewer workers, or the "
    "executor inline to see why"
)
_Sent = tuple[dict[str, Any], bytes]


@executors.register
@final
@dataclass(frozen=True, kw_only=True)
class Processes(Executor):
    """Starts workers that are fresh Python processes, with one thread of torch each and a low priority."""

    name = "processes"
    title = "Processes on this machine"
    summary = "As many jobs at once as there are processors; a worker that dies loses only its current job."

    @contextmanager
    def open(self, report: Report = ignore) -> Iterator[Crew]:
        # spawn, not fork: a process that has threads, as torch and Jupyter make them, must not be forked
        context = multiprocessing.get_context("spawn")
        stop = context.Event()
        team = [_Worker(context, stop) for _ in range(self.count)]
        try:
            yield functools.partial(_shared_out, team)
        finally:
            stop.set()
            deadline = time.monotonic() + _GRACE_S
            for worker in team:
                worker.close(deadline)


class _Worker:
    """One process, in a pool of its own: when it dies, that breaks its own pool, and it is known who did what."""

    def __init__(self, context: SpawnContext, stop: Event) -> None:
        self._context, self._stop = context, stop
        self._pool: ProcessPoolExecutor | None = None
        self._current: Future[_Sent] | None = None
        self._pid: Future[int] | None = None

    def submit(self, parcel: Parcel) -> Future[_Sent]:
        """Give the process, started now if need be, its next job."""
        try:
            self._current = self._send(parcel)
        except BrokenProcessPool:  # it died while it had nothing to do
            self.bury()
            self._current = self._send(parcel)
        return self._current

    def _send(self, parcel: Parcel) -> Future[_Sent]:
        if self._pool is None:
            self._pool = ProcessPoolExecutor(1, self._context, begin, (self._stop,))
            self._pid = self._pool.submit(os.getpid)
        return self._pool.submit(work, parcel.job.to_dict(), parcel.key, parcel.digests)

    def bury(self) -> None:
        """Forget the process that has died; the next job gets a new one."""
        if self._pool is not None:
            self._pool.shutdown()
        self._pool = None

    def close(self, deadline: float) -> None:
        """End the process: between two batches if it comes to that in time, or else by force. It holds nothing dear."""
        if self._pool is None:
            return
        patience = max(0.0, deadline - time.monotonic())
        if self._current is not None and wait([self._current], patience).not_done and self._pid is not None:
            with suppress(OSError, BrokenProcessPool, TimeoutError):
                os.kill(self._pid.result(_GRACE_S), getattr(signal, "SIGKILL", signal.SIGTERM))
        self._pool.shutdown(cancel_futures=True)


def _shared_out(team: list[_Worker], parcels: Iterable[Parcel], report: Report = ignore) -> Iterator[Answer]:
    rest, again, deaths = iter(parcels), deque[Parcel](), Counter[str]()
    idle, running, finished = [*team], dict[Future[_Sent], tuple[_Worker, Parcel]](), list[Answer]()
    begun = False
    while True:
        while idle and (parcel := again.popleft() if again else next(rest, None)) is not None:
            worker = idle.pop()
            running[worker.submit(parcel)] = worker, parcel
        yield from finished  # whoever takes them may take his time: the workers have their next jobs already
        finished.clear()
        if not running:
            return
        report(Progress(0.0, "" if begun else "workers are starting"))
        for future in wait(running, POLL_S, FIRST_COMPLETED).done:
            worker, parcel = running.pop(future)
            idle.append(worker)
            begun = True
            try:
                row, packed = future.result()
                finished.append(Answer(key=parcel.key, row=Result.from_dict(row), packed=packed))
            except BrokenProcessPool:
                worker.bury()
                deaths[parcel.key] += 1
                if deaths[parcel.key] < TRIES:
                    again.append(parcel)
                else:
                    finished.append(failed(parcel, _DIED))
