"""This machine as a device: its costs, found by timing some hundred small networks on one thread in torch.

The time of a network is taken to be a sum over its operators, and that of an operator a sum of costs by its kind: for
the call, each multiply-add (with channels as they are, and rounded up to whole vectors), each number and byte of its
activations, each weight. The costs are those, none of them negative, that come nearest to what was measured. How far
they are off is then measured on networks that they have not seen, and told with them.

A network's time is the lower quartile of its samples, here and there: other work on the machine makes times longer and
never shorter.
"""

from __future__ import annotations

import math
import os
import random
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from workbench.context import Progress, Report, ignore
from workbench.devices import _nonnegative
from workbench.devices._samples import Sample, example, samples, unseen
from workbench.devices._writing import written
from workbench.devices.profile import Profile
from workbench.devices.roofline import features
from workbench.devices.shelf import device, folder
from workbench.energy import energy_mj
from workbench.files import write_whole
from workbench.graph import graph_of
from workbench.graph.workload import workload
from workbench.loads import Load
from workbench.result import Estimate
from workbench.timing.clock import measured, median
from workbench.timing.machine import this_machine
from workbench.timing.runtimes import torch_call, torch_threads

NAME = "this-machine"
SAMPLES, UNSEEN = 360, 21
_TOGETHER = 20
_COSTS = tuple(features(Load.nothing()))


@dataclass(frozen=True, kw_only=True)
class Calibration:
    """What was found."""

    profile: Profile
    error: Estimate
    """The median of the relative errors on networks that the calibration has not seen."""
    ratios: tuple[float, ...]
    """What was measured over what was predicted, of each of these."""
    noisy: bool
    """Whether the machine was too busy meanwhile for its times to be trusted."""


def calibrate(
    *,
    seconds: float = 25.0,
    samples_count: int = SAMPLES,
    unseen_count: int = UNSEEN,
    seed: int = 0,
    report: Report = ignore,
) -> Calibration:
    """Time this machine for about so many seconds, and keep it as the device `this-machine`. Raises `Refused`.

    Three quarters of the time go into the calibration, the rest into the check.
    """
    draw = random.Random(seed)  # noqa: S311  # only shapes hang on it
    seen, others = samples(samples_count, draw), unseen(unseen_count, draw)
    times, noisy = _timed(seen, 0.75 * seconds, report, 0.0, "timing layers")
    checks, noisy_checks = _timed(others, 0.25 * seconds, report, 0.75, "timing networks that it has not seen")
    loads = [_loads(sample) for sample in seen]
    unseen_loads = [_loads(sample) for sample in others]
    kinds = sorted({load.kind for found in (*loads, *unseen_loads) for load in found})
    costs = _nonnegative.fitted(_parts(loads, kinds), times)
    ratios = checks / (_parts(unseen_loads, kinds) @ costs)
    error = median([abs(1 / ratio - 1) for ratio in ratios.tolist()], "fraction")
    table = costs.reshape(len(kinds), len(_COSTS)).tolist()
    fitted: dict[str, dict[str, float]] = {
        kind: {name: cost for name, cost in zip(_COSTS, row, strict=True) if cost > 0}
        for kind, row in zip(kinds, table, strict=True)
    }
    low, high = np.quantile(ratios, (0.05, 0.95)).tolist()
    fitted["spread"] = {"low": min(low, 1.0), "high": max(high, 1.0)}
    machine = this_machine()
    rate = 1000 * machine.macs_per_ms
    macs = np.array([sum(load.macs for load in found) for found in unseen_loads])
    text = written(
        name=NAME,
        fitted=fitted,
        error=error,
        rate=rate,
        bandwidth=1000 * machine.bytes_per_ms,
        reached=np.quantile(macs / checks / rate, (0.05, 0.5, 0.95)).clip(1e-6, 1).tolist(),
        overhead=machine.call_ms / 1000,
        ram=_memory(),
        watts=_watts(others[1], checks[1], report),
    )
    folder().mkdir(parents=True, exist_ok=True)
    write_whole(kept(), text.encode())
    return Calibration(profile=device(NAME), error=error, ratios=tuple(ratios.tolist()), noisy=noisy or noisy_checks)


def kept() -> Path:
    """Return where the calibration of this machine is kept, whether there is one or not."""
    return folder() / f"{NAME}.toml"


def _timed(
    networks: Sequence[Sample], seconds: float, report: Report, done: float, what: str
) -> tuple[np.ndarray[tuple[int], np.dtype[np.float64]], bool]:
    """Return the seconds of one image through each network, and whether the machine was busy otherwise."""
    found: list[float] = []
    noisy = []
    groups = math.ceil(len(networks) / _TOGETHER)
    share = seconds / groups
    with torch_threads(1):
        for number in range(groups):
            group = networks[number * _TOGETHER : (number + 1) * _TOGETHER]
            calls = {str(index): torch_call(model, example(shape)) for index, (model, shape) in enumerate(group)}

            def told(_: Progress, number: int = number) -> None:
                start, width = (0.0, 0.75) if done == 0 else (done, 1 - done)
                report(Progress(start + width * number / groups, f"{what}, {number * _TOGETHER} of {len(networks)}"))

            times = measured(calls, seconds=share, report=told)
            found += [float(np.quantile(times.samples[name], 0.25)) / 1000 for name in calls]
            noisy.append(times.noisy)
    return np.array(found), sum(noisy) > groups / 2


def _loads(sample: Sample) -> tuple[Load, ...]:
    model, shape = sample
    return workload(model, graph_of(model, example(shape))).loads


def _parts(loads: Sequence[Sequence[Load]], kinds: Sequence[str]) -> np.ndarray[tuple[int, int], np.dtype[np.float64]]:
    """Return how often each cost of each kind comes in each network [N, kinds * costs]."""
    found = np.zeros((len(loads), len(kinds), len(_COSTS)))
    for row, network in zip(found, loads, strict=True):
        for load in network:
            row[kinds.index(load.kind)] += list(features(load).values())
    return found.reshape(len(loads), -1)


def _memory() -> float:
    try:
        return float(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"))
    except (ValueError, OSError, AttributeError):  # not on Windows
        return 8e9


def _watts(sample: Sample, seconds: float, report: Report) -> float | None:
    """Return what the processor takes while it runs a network; None where it does not tell."""
    model, shape = sample
    with torch_threads(1):
        energy = energy_mj(torch_call(model, example(shape)), report=report)
    return None if energy is None else energy.value / 1000 / seconds
