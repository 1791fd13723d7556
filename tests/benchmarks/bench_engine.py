"""From a recipe to rows, without a browser: the digits networks, and ResNet-20 on real CIFAR-10 images."""

from __future__ import annotations

import dataclasses
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator

import _jobs

from workbench.recipe import Recipe
from workbench.registry import techniques
from workbench.result import DataRef, Job, ModelRef
from workbench.run import run

TURNS = 15


def spread(times: list[float]) -> str:
    """Median and 95th percentile in milliseconds."""
    ordered = sorted(times)
    return f"median {1000 * statistics.median(ordered):.0f} ms, 95 % {1000 * ordered[int(0.95 * len(ordered))]:.0f} ms"


def moves(job: Job, turns: int = TURNS) -> Iterator[tuple[str, str]]:
    """Move a slider to positions that nobody has prepared: the first row stands in for what then is solved."""
    prune, bits = techniques.get("magnitude"), techniques.get("weight_bits")
    list(run(job))  # the original is known before anybody moves a slider
    firsts, exacts, finals, images = [], [], [], 0
    for turn in range(turns + 1):
        recipe = Recipe((prune(ratio=0.503 + turn / 100), bits(bits=4)))
        start = time.perf_counter()
        first = exact = None
        for row in run(dataclasses.replace(job, recipe=recipe), quick=True):
            took = time.perf_counter() - start
            first = first or took
            exact = exact or (None if row.provisional else took)
            images = row.estimates["accuracy"].n
        if turn:  # the first one also holds the contests
            firsts.append(first)
            exacts.append(exact)
            finals.append(time.perf_counter() - start)
    yield f"{job.model.name}: recipe to first row with interval and bytes", spread(firsts)
    yield f"{job.model.name}: recipe to first row of what was asked, two steps solved", spread(exacts)
    yield f"{job.model.name}: recipe to final row, {images:,} images", spread(finals)


def measure() -> Iterator[tuple[str, str]]:
    imports = []
    for _ in range(5):
        start = time.perf_counter()
        subprocess.run([sys.executable, "-c", "import workbench"], check=True)
        imports.append(time.perf_counter() - start)
    bare = []
    for _ in range(5):
        start = time.perf_counter()
        subprocess.run([sys.executable, "-c", ""], check=True)
        bare.append(time.perf_counter() - start)
    took = statistics.median(imports) - statistics.median(bare)
    yield "`import workbench`, beyond starting Python", f"median {1000 * took:.0f} ms"
    for name in ("digits-mlp", "digits-cnn", "digits-resnet"):
        yield from moves(Job(model=ModelRef(name=name), data=DataRef(name="digits")))
    if _jobs.SHARED.is_dir():
        yield from moves(_jobs.resnet20(), turns=4)
    else:
        yield "resnet20 on CIFAR-10", f"not measured: there are no data in {_jobs.SHARED}"
