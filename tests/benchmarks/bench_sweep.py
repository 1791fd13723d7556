"""What executors cost and gain: jobs of a digits network, the executors in turns so that all meet the same machine.

Starting workers is told apart from the throughput once they are there: from the first answer to the last.
"""

from __future__ import annotations

import itertools
import os
import statistics
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack
from unittest import mock

from workbench.executing import Crew, Executor, Parcel
from workbench.executors._answering import parcelled
from workbench.executors.dask import Dask
from workbench.executors.inline import Inline
from workbench.executors.processes import Processes
from workbench.recipe import Recipe
from workbench.registry import techniques
from workbench.result import DataRef, Job, ModelRef
from workbench.run import prepare, run

JOBS, TURNS = 12, 5
PLACES: dict[str, Executor] = {
    "inline": Inline(),
    "one process": Processes(workers=1),
    "two processes": Processes(workers=2),
    "Dask, two local workers": Dask(workers=2),
}


def parcels(ratios: Iterator[float], count: int) -> list[Parcel]:
    """Return jobs that nobody has solved before, so that no trace is found: each is pruned with a refit."""
    step = techniques.get("magnitude")
    model, data = ModelRef(name="digits-cnn"), DataRef(name="digits")
    recipes = [Recipe((step(ratio=next(ratios), score="magnitude"),)) for _ in range(count)]
    jobs = [Job(model=model, data=data, recipe=recipe) for recipe in recipes]
    return [parcelled(job, prepare(job)) for job in jobs]


def seconds_each(crew: Crew, work: list[Parcel]) -> float:
    """Return how long a job takes, all workers together."""
    begun = time.perf_counter()
    answers = list(crew(work))
    took = time.perf_counter() - begun
    if sorted(answer.key for answer in answers) != sorted(parcel.key for parcel in work):
        raise RuntimeError("not every job was answered once")
    return took / len(work)


def measure() -> Iterator[tuple[str, str]]:
    fractions = (number / 10007 for number in itertools.count(3000))
    with ExitStack() as stack:
        home = stack.enter_context(tempfile.TemporaryDirectory())  # an earlier run has left its traces in the usual one
        stack.enter_context(mock.patch.dict(os.environ, WORKBENCH_HOME=home))
        crews, times = {}, {name: list[float]() for name in PLACES}
        for name, executor in PLACES.items():
            begun = time.perf_counter()
            crews[name] = stack.enter_context(executor.open())
            list(crews[name](parcels(fractions, 2 * max(1, executor.workers))))  # all workers have begun and have read
            yield f"{name}: until the first jobs are back", f"{time.perf_counter() - begun:.1f} s"
        for _ in range(TURNS):
            for name, crew in crews.items():
                times[name].append(seconds_each(crew, parcels(fractions, JOBS)))
        for name, found in times.items():
            yield f"{name}: {JOBS} jobs, each", f"median {1000 * statistics.median(found):.0f} ms"
        for name in ("two processes", "Dask, two local workers"):
            ratios = sorted(one / two for one, two in zip(times["one process"], times[name], strict=True))
            yield (
                f"{name}: throughput, against one process",
                f"{statistics.median(ratios):.2f} times ({ratios[0]:.2f} to {ratios[-1]:.2f} in {TURNS} turns)",
            )
        yield from overheads(crews)


def overheads(crews: dict[str, Crew]) -> Iterator[tuple[str, str]]:
    """Compare with `run` a job that was done before, of which hardly more than the way there and back is left."""
    (parcel,) = parcels((number / 10007 for number in itertools.count(2000)), 1)
    for name, crew in crews.items():
        if name == "two processes":
            continue
        extra = []
        list(crew([parcel]))
        for _ in range(20):
            begun = time.perf_counter()
            list(crew([parcel]))
            there = time.perf_counter()
            list(run(parcel.job))
            extra.append(2 * there - begun - time.perf_counter())
        yield f"{name}: overhead per job, beyond `run`", f"median {1000 * statistics.median(extra):.0f} ms"
