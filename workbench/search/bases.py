"""Bases: what is done to the network as a whole before each layer gets its own settings.

Channels tie layers together, so that no layer can choose them by itself; the technique shares them out by its own
ranking. Rounded activations are needed everywhere before integers pay. Both are tried from the mildest on.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from workbench.context import Progress, Report, ignore
from workbench.devices.profile import Profile
from workbench.errors import Refused
from workbench.network import layers
from workbench.recipe import Recipe, Step
from workbench.run import Prepared
from workbench.search.costs import Costs, costs
from workbench.search.limits import FLASH, LATENCY, MACS, Limits
from workbench.search.trial import Trials
from workbench.techniques.activation_bits import ActivationBits
from workbench.techniques.channels import Channels
from workbench.techniques.vector_bits import VectorBits
from workbench.techniques.weight_bits import WeightBits

NARROWER = (0.15, 0.3, 0.45, 0.6, 0.75)
"""Shares of the multiply-adds that channel pruning saves."""
EXTRAS = (VectorBits(),)
"""Steps about no single layer that a plan may add."""
_MORE = 1
"""How many bases beyond the first that can keep to the limits are looked at: a narrower one may leave more room."""


@dataclass(frozen=True, kw_only=True)
class Base:
    """Steps, and what the network loses by them alone."""

    steps: tuple[Step, ...]
    loss: float
    costs: Costs | None = None


def bases(
    prepared: Prepared, trials: Trials, limits: Limits, device: Profile | None, report: Report = ignore
) -> list[Base]:
    """Return the bases that are worth a table, the mildest first; at least one."""
    if not limits.structural:
        return [Base(steps=(), loss=0.0)]
    found: list[Base] = []
    for rounded in arithmetics(device):
        kept = 0
        for number, narrow in enumerate(_widths()):
            report(Progress(number / (len(NARROWER) + 1), f"trying {narrow or 'all channels'}"))
            steps = tuple(step for step in (narrow, *rounded) if step is not None)
            base = _tried(prepared, trials, steps, device)
            if base is None:
                continue
            found.append(base)
            kept += _may_keep(base, limits, device)
            if kept > _MORE:
                break
    able = [base for base in found if _may_keep(base, limits, device)]
    return able or found[-1:] or [Base(steps=(), loss=0.0)]


def extras(trials: Trials) -> dict[Step, float]:
    """Return the steps that a plan may add, with what each loses by itself."""
    return {step: trials.of(Recipe((step,))).judgement.divergence.value for step in EXTRAS}


def _widths() -> Iterator[Step | None]:
    yield None
    for share in NARROWER:
        yield Channels(ratio=share, by="macs")


def arithmetics(device: Profile | None) -> Sequence[tuple[Step, ...]]:
    """Return what may be rounded besides weights: nothing, or what layers read, where a device has integers."""
    if device is None or "int8" not in device.rates:
        return [()]
    rounded = (ActivationBits(bits=8),)
    return [rounded] if set(device.rates) <= {"int4", "int8"} else [(), rounded]


def _tried(prepared: Prepared, trials: Trials, steps: tuple[Step, ...], device: Profile | None) -> Base | None:
    try:
        trial = trials.of(Recipe(steps))
    except Refused:
        return None  # a network whose channels cannot be removed has no narrower bases
    # eight bits are what integers need, and lose next to nothing
    whole = Recipe(tuple(sorted((*steps, WeightBits(bits=8)), key=lambda step: step.order)))
    found = costs(trials.network(whole), prepared, tuple(layers(prepared.model)), work=True, device=device)
    return Base(steps=steps, loss=trial.judgement.divergence.value if steps else 0.0, costs=found)


def _may_keep(base: Base, limits: Limits, device: Profile | None) -> bool:
    """Return whether the work and the memory of a base are within the limits before any layer has its settings."""
    found = base.costs
    if found is None:
        return True
    if device is not None and FLASH not in found.parts:
        return False
    roof: Mapping[str, float] = {
        MACS: math.inf if limits.macs is None else limits.macs,
        LATENCY: math.inf if limits.latency_ms is None else limits.latency_ms,
    }
    if any(cost in found.parts and found.total(cost) > most for cost, most in roof.items()):
        return False
    memory = math.inf if limits.peak_memory is None else limits.peak_memory
    if device is not None:
        memory = min(memory, device.ram_bytes.value)
        if found.forecast is not None and found.forecast.flash is not None and not found.forecast.flash.ok:
            return False
    return found.peak_memory is None or found.peak_memory <= memory
