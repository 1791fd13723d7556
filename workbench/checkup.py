"""How fast the network of a job is, and why it is not faster: what takes seconds, and is done when somebody asks."""

from __future__ import annotations

import dataclasses
import tempfile
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import nn

from workbench import registry
from workbench.activations import activation_formats
from workbench.context import Cache, Progress, Report, ignore
from workbench.diagnosing import Finding, diagnose
from workbench.errors import Refused
from workbench.examination import examined
from workbench.exporting import Source
from workbench.network import layers, weight_format
from workbench.recipe import Recipe
from workbench.result import Job
from workbench.run import Prepared, made, prepare
from workbench.store import Store
from workbench.timing.speed import Speed
from workbench.timing.turn import turn

FLOAT, INTEGER = "onnx", "onnx-int8"
_files = Cache(limit=8)


@dataclass(frozen=True, kw_only=True)
class Checkup:
    """What was measured of two networks, and what the doctor says."""

    job: Job
    against: Job
    speed: Speed
    findings: tuple[Finding, ...]
    """Causes, those that most time could be gained from first."""
    notes: tuple[str, ...]
    """Runtimes that were left out, and why."""


def check_up(
    job: Job,
    *,
    against: Job | None = None,
    batch: int = 1,
    threads: int = 1,
    seconds: float = 2.0,
    report: Report = ignore,
    store: Store | None = None,
    user_code: bool = True,
) -> Checkup:
    """Time what a job makes beside what another makes (its original, unless given), and look for what slows it down.

    `batch` test images of the job are run at a time; each of two measurements takes about so many `seconds`. Raises
    `Refused`, among others where `against` is about another model or other data.
    """
    original = _plain(job)
    against = original if against is None else against
    if _plain(against) != original:
        raise Refused("two rows are compared on one model and one data set; choose rows that share both")
    prepared = prepare(job, report=report, user_code=user_code)
    if not 1 <= batch <= len(prepared.test):
        raise Refused(f"the batch must be in [1, {len(prepared.test)}], the number of test images, got {batch}")

    def network(of: Job) -> nn.Module:
        return made(of, report=report, store=store, user_code=user_code)[0].cpu()

    base, now = network(against), network(job)
    inputs = prepared.test.inputs(torch.arange(batch)).cpu()
    files, notes = _exported(prepared, (against, base), (job, now), report)
    case = examined(base, now, inputs, files=files, threads=threads, seconds=seconds, report=report)
    return Checkup(job=job, against=against, speed=case.speed, findings=diagnose(case), notes=notes)


def _plain(job: Job) -> Job:
    return dataclasses.replace(job, recipe=Recipe())


def _exported(
    prepared: Prepared, base: tuple[Job, nn.Module], now: tuple[Job, nn.Module], report: Report
) -> tuple[dict[str, tuple[bytes, bytes]], tuple[str, ...]]:
    """Return the files of both networks by format, those of integers beside the original's floats, and what failed."""
    wanted = [FLOAT, INTEGER] if _quantized(now[1]) else [FLOAT]
    files: dict[str, tuple[bytes, bytes]] = {}
    notes: list[str] = []
    for name in wanted:
        try:
            floats = _file(prepared, *base, FLOAT, report)
            files[name] = (floats, _file(prepared, *now, name, report))
        except Refused as refusal:
            notes.append(f"{registry.exports.get(name).title} was not timed: {refusal}")
    return files, tuple(notes)


def _quantized(model: nn.Module) -> bool:
    return bool(activation_formats(model)) or any(weight_format(layer).grid for layer in layers(model).values())


def _file(prepared: Prepared, job: Job, model: nn.Module, name: str, report: Report) -> bytes:
    def write() -> bytes:
        report(Progress(0.0, f"exporting {job.model.name} as {name}"))
        source = Source(model=model, example=prepared.context.example.cpu(), build=prepared.context.build)
        with tempfile.TemporaryDirectory() as folder, turn(report):  # torch traces one network at a time
            path = Path(folder) / "network.onnx"
            registry.exports.get(name).write(source, path)
            return path.read_bytes()

    return _files.get(f"{prepared.key(job)} {name}", write)
