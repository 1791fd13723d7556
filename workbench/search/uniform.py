"""Uniform settings: the same share of zeros and the same bits in all layers, as sliders set them.

They are the control of every plan: where they change the answers less, they are what is proposed.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterator, Sequence

from workbench.compress import compress
from workbench.context import Patience, Progress, Report, ignore
from workbench.export.packed import pack
from workbench.recipe import Recipe, Step
from workbench.search.bases import arithmetics
from workbench.search.contender import Contender, Ground, fitted, measured
from workbench.search.limits import MACS, Limits
from workbench.search.table import Table
from workbench.techniques.channels import Channels
from workbench.techniques.magnitude import Magnitude
from workbench.techniques.weight_bits import WeightBits

_BEST = 3
"""How many uniform settings of the right size are measured: those of least forecast loss."""
_QUICK = (8, 4, 3)
"""Bits of the uniform settings that are tried before anything is known of single layers."""


def quick(found: Ground, limits: Limits, report: Report = ignore) -> Iterator[Contender]:
    """Yield a few uniform settings that need no layer to be measured first, so that something is there soon."""
    narrow: tuple[Step, ...] = ()
    if limits.macs is not None:
        work = measured(found, "original", Recipe(), limits).costs.get(MACS, 0.0)
        share = 1 - limits.macs / max(work, 1.0)
        if share >= 0.9:
            return
        narrow = (Channels(ratio=math.ceil(100 * share) / 100, by="macs"),) if share > 0 else ()
    rounded = arithmetics(found.device)[-1]
    for number, width in enumerate(_QUICK):
        report(Progress(number / len(_QUICK), "trying uniform settings"))
        steps = (WeightBits(bits=width), *rounded)
        ratio = _ratio_for(found, limits, narrow, steps)
        if ratio is None or (number == 0 and ratio):
            continue
        yield measured(found, "uniform", _with_ratio(narrow, ratio, steps), limits, uniform=True)


def uniform(found: Ground, limits: Limits, report: Report) -> Iterator[Contender]:
    """Yield the uniform settings that keep to the limits and ought to lose least, made for real."""
    if limits.size_bytes is None and not limits.structural:
        return
    settings = sorted(_settings(found, limits, report), key=lambda each: each[0])
    for number, (_, front, behind) in enumerate(settings[:_BEST]):
        report(Progress(number / _BEST, "making the best uniform setting for real"))

        def chosen(within: Limits, front: tuple[Step, ...] = front, behind: tuple[Step, ...] = behind) -> Recipe | None:
            ratio = _ratio_for(found, within, front, behind)
            return None if ratio is None else _with_ratio(front, ratio, behind)

        yield from fitted(found, "uniform", chosen, limits, uniform=True)


Family = tuple[float, tuple[Step, ...], tuple[Step, ...]]
"""Forecast loss, and the steps before and after a pruning of some share."""


def _settings(found: Ground, limits: Limits, report: Report) -> Iterator[Family]:
    bits = next(dial for dial in found.tables[0].dials if dial.technique is WeightBits)
    for table in found.tables:
        for number, value in enumerate(bits.values):
            report(Progress(number / len(bits.values), "looking for the best uniform setting"))
            for behind in ((), tuple(table.extras)):
                steps = (WeightBits(bits=value), *behind) if value != bits.neutral else behind
                ratio = _ratio_for(found, limits, table.base, steps)
                if ratio is not None:
                    behind_loss = sum(table.extras[step].loss for step in behind)
                    yield _forecast(table, ratio, value) + behind_loss, table.base, steps


def _with_ratio(front: Sequence[Step], ratio: float, behind: Sequence[Step]) -> Recipe:
    share = min(math.ceil(100 * ratio - 1e-9) / 100, 0.98)  # what a slider can show: it would round anything else
    pruning = (Magnitude(ratio=share),) if ratio else ()
    return Recipe(tuple(sorted((*front, *pruning, *behind), key=lambda step: step.order)))


def _ratio_for(found: Ground, limits: Limits, base: Sequence[Step], steps: Sequence[Step]) -> float | None:
    """Return the least share of weights to prune for the file to be within the limit; None where none is enough."""
    if limits.size_bytes is None:
        return 0.0
    ctx = dataclasses.replace(found.prepared.context, patience=Patience.NOW, notes=[], provisional=[])

    def size(ratio: float) -> int:
        network = compress(found.prepared.model, _with_ratio(base, ratio, steps), ctx)
        return len(pack(network, found.prepared.about).data)

    if size(0.0) <= limits.size_bytes:
        return 0.0
    low, high = 0.0, 0.97
    if size(high) > limits.size_bytes:
        return None
    for _ in range(6):
        middle = (low + high) / 2
        low, high = (low, middle) if size(middle) <= limits.size_bytes else (middle, high)
    return high


def _forecast(table: Table, ratio: float, bits: object) -> float:
    """Return about what a uniform setting loses, from the tables."""
    total = table.base_loss
    for options in table.layers.values():
        near = [
            option
            for option in options
            if dict(option.settings).get("weight_bits", 32) == bits and "low_rank" not in dict(option.settings)
        ]
        if not near:
            return math.inf
        total += min(near, key=lambda option: abs(float(dict(option.settings).get("magnitude", 0.0)) - ratio)).loss
    return total
