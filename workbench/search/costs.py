"""What a network costs, layer by layer: the part of each total that a choice for one layer decides."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping
from dataclasses import dataclass

import torch
from torch import nn

from workbench.devices.profile import Profile
from workbench.devices.roofline import Forecast, forecast
from workbench.export.packed import pack
from workbench.graph import graph_of
from workbench.graph.workload import workload
from workbench.loads import Load, Workload
from workbench.run import Prepared
from workbench.search.limits import FLASH, LATENCY, MACS, SIZE

REST = ""
"""The name under which stands what no layer decides."""


@dataclass(frozen=True, kw_only=True)
class Costs:
    """The costs of one network; each adds up to its total over the layers and `REST`."""

    parts: Mapping[str, Mapping[str, float]]
    """By cost, then by layer."""
    peak_memory: int | None = None
    forecast: Forecast | None = None
    """On the device that was asked for."""

    def total(self, cost: str) -> float:
        """Return the cost of the whole network."""
        return sum(self.parts[cost].values())


def costs(
    network: nn.Module, prepared: Prepared, layers: Collection[str], *, work: bool, device: Profile | None = None
) -> Costs:
    """Return the bytes of the packed file by layer; with `work` also multiply-adds, and what a device would take.

    A layer that was factored counts with both of its factors.
    """
    packed = pack(network, prepared.about)
    sizes: dict[str, float] = defaultdict(float)
    for name, size in packed.tensors.items():
        sizes[_layer(name.rpartition(".")[0], layers)] += size
    sizes[REST] += len(packed.data) - sum(sizes.values())
    parts: dict[str, Mapping[str, float]] = {SIZE: dict(sizes)}
    if not work:
        return Costs(parts=parts)
    graph = graph_of(network, prepared.test.inputs(torch.arange(1)))
    macs: dict[str, float] = defaultdict(float)
    for name, count in graph.macs.items():
        macs[_layer(name, layers)] += count
    parts[MACS] = dict(macs)
    load = workload(network, graph)
    if device is None:
        return Costs(parts=parts, peak_memory=load.peak_bytes)
    found = forecast(load, device)
    if not found.refused:
        parts |= _on_device(load, device, layers)
    return Costs(parts=parts, peak_memory=load.peak_bytes, forecast=found)


def _on_device(load: Workload, device: Profile, layers: Collection[str]) -> dict[str, dict[str, float]]:
    by_layer: dict[str, list[Load]] = defaultdict(list)
    for each in load.loads:
        by_layer[_layer(each.layer, layers)].append(each)
    start_ms = 1000 * device.start_s.value  # once an inference, whatever the layers
    latency, flash = {REST: start_ms}, {REST: 0.0}
    for name, loads in by_layer.items():
        alone = forecast(Workload(loads=tuple(loads), peak_bytes=0), device)
        if alone.latency_ms is not None:
            latency[name] = latency.get(name, 0.0) + alone.latency_ms.value - start_ms
        flash[name] = float(alone.flash.needed_bytes if alone.flash else alone.ram.needed_bytes)
    return {LATENCY: latency, FLASH: flash}


def _layer(name: str, layers: Collection[str]) -> str:
    """Return the layer that a module is or is a factor of."""
    if name in layers:
        return name
    whole = name.rpartition(".")[0]
    return whole if whole in layers else REST
