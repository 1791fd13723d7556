"""What a network costs, counted before it is trained: measures of the workbench, and a device's figures."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import nn

from workbench.context import Context
from workbench.devices.profile import Profile
from workbench.devices.roofline import Fit, Forecast, forecast
from workbench.errors import Refused
from workbench.graph.workload import workload
from workbench.measure._graph import graph
from workbench.measuring import Subject
from workbench.models._train import Lesson
from workbench.network import clone
from workbench.registry import measures
from workbench.result import Estimate

ON_DEVICE = {"latency_ms": "Latency on the device", "energy_mj": "Energy on the device"}
"""What a device profile says of a network, by name."""
_NOISE = 0.1


def costs() -> dict[str, str]:
    """Return what may be an objective or a limit: titles by name, the size of the file first."""
    found = {measure.name: measure.title for measure in measures if measure.better == "lower"}
    return {"size_bytes": found.pop("size_bytes"), **found, **ON_DEVICE}


@dataclass(frozen=True, kw_only=True)
class Count:
    """What a network costs, and what keeps it off its device."""

    estimates: Mapping[str, Estimate]
    obstacles: tuple[str, ...] = ()
    """Sentences; none where it runs on the device, or where no device was named."""
    overflow: float = 0.0
    """How far it is beyond the device: 0 where it runs, else the excess as a share of the room, or 1 and more."""


def counted(network: nn.Module, course: Lesson, names: tuple[str, ...], device: Profile | None) -> Count:
    """Return what a network with fresh weights costs, by the names of `costs`.

    The length of a file depends a little on the weights in it: fresh batch norms, all zeros and ones, would take no
    room, so every number is shaken first. Raises `Refused` for a measure that has to look at images.
    """
    ctx = course.context
    subject = Subject(model=_shaken(network, ctx), test=ctx.validation, about=course.about)
    found = {name: _read(name, subject) for name in names if name not in ON_DEVICE}
    if device is None:
        if wanted := [name for name in names if name in ON_DEVICE]:
            raise Refused(f"{wanted[0]} is a matter of a device: name one, such as cortex-m7")
        return Count(estimates=found)
    outlook = forecast(workload(subject.model, graph(subject)), device)
    modelled = {"latency_ms": outlook.latency_ms, "energy_mj": outlook.energy_mj}
    found |= {name: estimate for name, estimate in modelled.items() if name in names and estimate is not None}
    fits = tuple(fit for fit in (outlook.ram, outlook.flash) if fit is not None and not fit.ok)
    sentences = (*outlook.refused, *(_too_large(fit, outlook) for fit in fits))
    beyond = sum(fit.needed_bytes / fit.available_bytes - 1 for fit in fits) + len(outlook.refused)
    return Count(estimates=found, obstacles=sentences, overflow=beyond)


def _read(name: str, subject: Subject) -> Estimate:
    *_, reading = measures.get(name).read(subject)
    if reading.estimate.how != "counted":
        raise Refused(f"{name} cannot be counted on a network that is not trained: choose from {', '.join(costs())}")
    return reading.estimate


def _too_large(fit: Fit, outlook: Forecast) -> str:
    return f"its {fit.what} take {fit.needed_bytes:,} bytes, {outlook.profile.title} has {fit.available_bytes:,}"


@torch.no_grad()
def _shaken(network: nn.Module, ctx: Context) -> nn.Module:
    result, generator = clone(network).eval(), ctx.generator("shaken")
    for tensor in result.state_dict().values():
        if tensor.is_floating_point():
            tensor.add_(_NOISE * torch.rand(tensor.shape, generator=generator))
    return result
