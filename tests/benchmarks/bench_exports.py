"""Files that run elsewhere: how long they take to write, and how fast integers are in onnxruntime."""

from __future__ import annotations

import dataclasses
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import _jobs
import torch
from networks import mobile
from torch import nn

from workbench import registry
from workbench._torchvision import import_torchvision
from workbench.checkup import FLOAT, INTEGER, check_up
from workbench.exporting import Source
from workbench.graph import graph_of
from workbench.graph.onnx_drawing import onnx_drawing
from workbench.recipe import Recipe
from workbench.registry import techniques
from workbench.result import DataRef, Job, ModelRef
from workbench.run import prepare

Rows = Iterator[tuple[str, str]]
TURNS = 3


def written(title: str, model: nn.Module, example: torch.Tensor) -> Rows:
    """Time writing an ONNX file; the first also imports what torch exports with."""
    source = Source(model=model.eval(), example=example, build=lambda name: model)
    took = []
    with tempfile.TemporaryDirectory() as folder:
        for turn in range(TURNS):
            start = time.perf_counter()
            registry.exports.get(FLOAT).write(source, Path(folder) / f"{turn}.onnx")
            took.append(time.perf_counter() - start)
    yield f"ONNX file of {title}: first, then again", f"{took[0]:.2f} s, {min(took[1:]):.2f} s"


def integers(title: str, job: Job) -> Rows:
    """Compare the integer file with the float32 one, in turns in one run."""
    recipe = Recipe((techniques.get("weight_bits")(bits=8, symmetric=True), techniques.get("activation_bits")(bits=8)))
    for batch in (1, 32):
        found = check_up(dataclasses.replace(job, recipe=recipe), batch=batch, seconds=3.0)
        lane = found.speed.lane(INTEGER)
        said = "; ".join(found.notes) or "not there"
        if lane is not None:
            faster, quiet = lane.faster, "" if not found.speed.noisy else ", on a busy machine"
            said = (
                f"{lane.base.value:.3g} and {lane.now.value:.3g} ms: {faster.value:.2f} times as fast "
                f"[{faster.low:.2f}, {faster.high:.2f}]{quiet}"
            )
            if faster.value < 1.5:
                said += "; the doctor: " + "; ".join(finding.title for finding in found.findings[:3])
        yield f"{title} in onnxruntime, float32 and 8-bit, batch {batch}, one thread", said


def drawn(title: str, model: nn.Module, example: torch.Tensor) -> Rows:
    """Time the graph that the page shows."""
    took = []
    for _ in range(TURNS):
        start = time.perf_counter()
        content = onnx_drawing(model.eval(), graph_of(model.eval(), example))
        took.append(time.perf_counter() - start)
    yield f"graph of {title} for the page", f"{1000 * min(took):.0f} ms, {len(content) / 1000:.0f} kB"


def measure() -> Rows:
    """Yield the rows."""
    zoo = import_torchvision().models
    yield from written("MobileNetV2, 224 x 224", zoo.mobilenet_v2(), torch.randn(2, 3, 224, 224))
    yield from written("a MobileNetV2 for 32 x 32", mobile(), torch.randn(2, 3, 32, 32))
    yield from drawn("ResNet-18, 224 x 224", zoo.resnet18(), torch.randn(1, 3, 224, 224))
    yield from integers("digits-resnet", Job(model=ModelRef(name="digits-resnet"), data=DataRef(name="digits")))
    if _jobs.SHARED.is_dir():
        job = _jobs.resnet20()
        prepared = prepare(job)
        yield from written("ResNet-20", prepared.model, prepared.context.example)
        yield from integers("ResNet-20", job)
    else:
        yield "ResNet-20 as ONNX", f"not measured: there are no data in {_jobs.SHARED}"
