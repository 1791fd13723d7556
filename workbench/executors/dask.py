"""A Dask cluster: one that is running, on any number of machines, or one that is started here for the sweep."""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import pydoc
import queue
import time
from collections import Counter, deque
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, final

import workbench
from workbench.context import Progress, Report, ignore
from workbench.errors import Cancelled, Refused
from workbench.executing import POLL_S, TRIES, Answer, Crew, Executor, Parcel, difference, engine
from workbench.executors._answering import failed
from workbench.executors._cluster import ANSWER_S, connected, workers
from workbench.executors._freight import Freight
from workbench.registry import executors
from workbench.result import Result
from workbench.run import environment

if TYPE_CHECKING:
    from distributed import Client, Future

_ALONE_S = 30.0
"""How long a sweep waits for workers while there are none."""
_LOOK_S = 2.0


@executors.register
@final
@dataclass(frozen=True, kw_only=True)
class Dask(Executor):
    """Sends jobs to the workers of a scheduler; a worker that dies loses its current job, which another one does."""

    name = "dask"
    title = "Dask cluster"
    summary = "Workers on one or several machines by the address of their scheduler; without one, a cluster here."
    has_scheduler = True

    @contextmanager
    def open(self, report: Report = ignore) -> Iterator[Crew]:
        report(Progress(0.0, f"asking the scheduler {self.scheduler}" if self.scheduler else "starting workers"))
        with connected(self.scheduler, self.count) as client:
            _check(client)
            yield functools.partial(_streamed, client, self.scheduler)


def _check(client: Client) -> None:
    """Raise `Refused` unless all workers have this workbench.

    An older one may lack any function of ours, so the first question is put by the standard library.
    """
    here = engine()
    versions = client.run(pydoc.locate, "workbench.__version__", on_error="return")
    for worker, version in versions.items():
        if not isinstance(version, str):
            raise Refused(f"the worker {worker} cannot import workbench: install version {here['version']} there")
        if version != workbench.__version__:
            raise Refused(difference(here, here | {"version": version}, f"the worker {worker}"))
    for worker, found in client.run(engine, on_error="return").items():
        there = found if isinstance(found, dict) else here | {"sources": str(found)}
        if words := difference(here, there, f"the worker {worker}"):
            raise Refused(words)


def _streamed(client: Client, address: str, parcels: Iterable[Parcel], report: Report = ignore) -> Iterator[Answer]:
    rest, again, deaths = iter(parcels), deque[Parcel](), Counter[str]()
    inbox, finished = queue.SimpleQueue[Any](), list[Answer]()
    freight, running, watch = Freight(client), dict[str, tuple[Any, Parcel]](), _Watch(client, address)
    while True:
        while len(running) < watch.room and (parcel := again.popleft() if again else next(rest, None)) is not None:
            future = freight.submit(parcel)
            running[str(future.key)] = future, parcel
            future.add_done_callback(inbox.put)
        yield from finished  # whoever takes them may take his time: the workers have their next jobs already
        finished.clear()
        if not running:
            return
        report(Progress(0.0, ""))
        watch.look()
        with contextlib.suppress(queue.Empty):
            future = inbox.get(timeout=POLL_S)
            _, parcel = running.pop(str(future.key))
            answer = _received(future, parcel, watch)
            if answer is not None:
                finished.append(answer)
                continue
            deaths[parcel.key] += 1
            if deaths[parcel.key] < TRIES:
                again.append(parcel)
            else:
                finished.append(failed(parcel, f"this job was given back by the cluster {TRIES} times, undone"))


def _received(future: Future[Any], parcel: Parcel, watch: _Watch) -> Answer | None:
    """Return the answer that a future holds; None where the job is to be tried again. Raises `Refused`."""
    if future.cancelled():
        watch.look(at_once=True)  # a scheduler that goes away takes all futures with it
        return None
    try:
        content = future.result(timeout=ANSWER_S)
    except (Cancelled, TimeoutError):
        return None
    except OSError:
        watch.look(at_once=True)
        return None
    except Exception as error:
        return failed(parcel, _sentence(error))
    if "refused" in content:
        raise Refused(content["refused"])
    row = Result.from_dict(content["row"])
    if row.environment.get("torch") != environment()["torch"]:
        note = f"computed with torch {row.environment.get('torch')}; here is {environment()['torch']}"
        row = dataclasses.replace(row, notes=(*row.notes, note))
    return Answer(key=parcel.key, row=row, packed=content["packed"])


def _sentence(error: Exception) -> str:
    if type(error).__name__ == "KilledWorker":
        return (
            "the workers that did this job have died, one after the other, perhaps for want of memory: "
            "try it with the executor inline to see why"
        )
    return f"the cluster could not do this job ({type(error).__name__}: {error})"


class _Watch:
    """Looks now and then whether there is still a scheduler with workers, and how many jobs they can have at hand."""

    def __init__(self, client: Client, address: str) -> None:
        self._client, self._name = client, address or "of the local cluster"
        self._seen = self._looked = time.monotonic()
        self.room = 0
        self.look(at_once=True)

    def look(self, *, at_once: bool = False) -> None:
        """Raise `Refused` where the scheduler or all workers have gone for good."""
        now = time.monotonic()
        if not at_once and now - self._looked < _LOOK_S:
            return
        self._looked = now
        try:
            threads = workers(self._client)
        except Refused:
            raise Refused(
                f"the scheduler {self._name} has gone away: what was finished is kept; start it and the same sweep "
                "again, or do the rest with the executor processes"
            ) from None
        if threads:
            self._seen = now
            self.room = max(self.room, 2 * sum(threads.values()))  # one to do and one at hand
        elif now - self._seen > _ALONE_S:
            raise Refused(
                f"the scheduler {self._name} has had no workers for {_ALONE_S:.0f} s: what was finished is kept; start "
                "workers and the same sweep again"
            )
