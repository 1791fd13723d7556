"""What every contender is given, and what it hands back.

Preparation is counted in seconds of one core, the imports of libraries left out, and starts with nothing in any cache.
Only the images of the calibration split are seen before the test.
"""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import torch
from torch import Tensor, nn

from workbench.compress import compress
from workbench.context import TRACE_BYTES, Cache, Context
from workbench.export.packed import pack
from workbench.exporting import Source
from workbench.graph import graph_of
from workbench.network import layers
from workbench.recipe import Recipe, Step
from workbench.registry import exports
from workbench.result import Job
from workbench.run import Prepared, prepare

IMAGES = int(os.environ.get("WORKBENCH_BENCH_IMAGES", "0"))
"""How many test images are asked for; 0 for all of them."""
BATCH = 64

Forward = Callable[[Tensor], Tensor]


class NotRun(Exception):
    """A contender that cannot take part: the sentence says why."""


@dataclass(frozen=True, kw_only=True)
class Case:
    """A trained network, its calibration images, and the test images that everybody answers."""

    title: str
    prepared: Prepared

    @classmethod
    def of(cls, title: str, job: Job) -> Case:
        return cls(title=title, prepared=prepare(job))

    @property
    def model(self) -> nn.Module:
        """The network before anybody touched it; contenders work on copies."""
        return self.prepared.model

    @cached_property
    def calibration(self) -> tuple[Tensor, ...]:
        """Batches of calibration images as the network reads them."""
        view = self.prepared.context.calibration
        return view.inputs(torch.arange(len(view))).split(BATCH)

    @cached_property
    def tested(self) -> Tensor:
        """Numbers of the test images in a random order: files of one class lie together."""
        total = len(self.prepared.test)
        return torch.randperm(total, generator=torch.Generator().manual_seed(0))[: IMAGES or total]

    @cached_property
    def before(self) -> Tensor:
        """Which test images the original has right, bool [N]."""
        return self.answered(self.model)[0]

    @property
    def untouched(self) -> Context:
        """What our techniques may use, with nothing known yet."""
        traces = Cache(TRACE_BYTES, lambda trace: trace.size_bytes)
        return replace(self.prepared.context, cache=Cache(), traces=traces, folder=None, notes=[], provisional=[])

    def answered(self, forward: Forward) -> tuple[Tensor, float]:
        """Return which test images are right, bool [N], and the seconds of one core that an image took."""
        test, right, took = self.prepared.test, [], 0.0
        with torch.inference_mode():
            forward(test.inputs(self.tested[:BATCH]))  # the first batch also makes buffers
        for indices in self.tested.split(BATCH):
            inputs = test.inputs(indices)
            start = time.process_time()
            with torch.inference_mode():
                scores = forward(inputs)
            took += time.process_time() - start
            right.append(scores.argmax(1) == test.labels[indices])
        return torch.cat(right), took / len(self.tested)

    def macs(self, model: nn.Module) -> int:
        """Return the multiply-adds for one image."""
        return graph_of(model, self.calibration[0][:1]).macs.total()


@dataclass(frozen=True, kw_only=True)
class Made:
    """What a contender made of a network."""

    forward: Forward
    """From inputs to scores."""
    file: bytes
    """In the contender's own format."""
    seconds: float
    """Of one core, for preparation."""
    macs: int = 0
    """Multiply-adds for one image, where their number was the aim."""
    note: str = ""


def reached(case: Case, count: int) -> str:
    """Return how many layers a library quantized, as a note; raises `NotRun` where it passed over all of them."""
    if not count:
        raise NotRun("quantizes no layer of this network, and does not say so")
    return f"{count} of {len(layers(case.model))} layers quantized"


@dataclass(frozen=True, kw_only=True)
class Contender:
    """Who takes part, by which method."""

    who: str
    how: str
    make: Callable[[Case], Made]
    """Raises `NotRun`, or whatever its library raises."""


class Clock:
    """Seconds of one core since it was made, those of child processes included."""

    def __init__(self) -> None:
        self._start = self._now()

    @property
    def seconds(self) -> float:
        return self._now() - self._start

    @staticmethod
    def _now() -> float:
        times = os.times()
        return time.process_time() + times.children_user + times.children_system


def ours(*steps: Step) -> Contender:
    """Return the workbench with these steps, all else by default."""

    def make(case: Case) -> Made:
        ctx = case.untouched
        clock = Clock()
        model = compress(case.model, Recipe(steps), ctx)
        file = pack(model, case.prepared.about).data
        seconds, macs = clock.seconds, case.macs(model)
        return Made(forward=model, file=file, seconds=seconds, macs=macs if macs < case.macs(case.model) else 0)

    return Contender(who="workbench", how="defaults", make=make)


def exported(name: str, *steps: Step) -> Contender:
    """Return the workbench with these steps, written by one of its export formats and run in that file's runtime."""

    def make(case: Case) -> Made:
        ctx = case.untouched
        clock = Clock()
        model = compress(case.model, Recipe(steps), ctx)
        source = Source(model=model, example=ctx.example, build=ctx.build, about=case.prepared.about)
        form = exports.get(name)
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / f"network{form.suffix}"
            form.write(source, path)
            seconds = clock.seconds
            return Made(forward=form.load(path, source), file=path.read_bytes(), seconds=seconds)

    return Contender(who="workbench", how=f"as {name}, symmetric", make=make)
