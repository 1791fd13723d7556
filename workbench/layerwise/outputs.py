"""How far the outputs of each layer have moved, both networks running end to end on the same calibration images.

The error of a layer is the squared distance of its outputs from those of the original, as a share of how much those
vary: ||y' - y||^2 / ||y - mean||^2, with the mean of each channel over images and positions. 0 is the layer as it was;
a layer that puts out its means and nothing else has 1. Where a batch norm reads the layer and nothing else, its outputs
are compared: that is what the rest of the network gets, and means and scales that were moved between the two, as
reconstruction does, are no loss.

Intervals are those of a ratio of sums over images that were drawn at random (linearised, 95 %, normal).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from workbench.context import Progress, Report, ignore
from workbench.errors import Refused
from workbench.graph import graph_of
from workbench.images import View
from workbench.network import clone, layers
from workbench.result import Estimate

IMAGES = 64
_CHUNK = 8
"""Images at a time: all outputs of both networks are in memory for so many."""


@dataclass(frozen=True)
class Visit:
    """What the first run of a layer shows."""

    macs: int
    """Multiply-adds for one image, all calls together."""
    site: str
    """Name of the module whose outputs stand for the layer: the layer itself, or the batch norm that reads it alone."""


def visits(model: nn.Module, example: Tensor) -> dict[str, Visit]:
    """Return what is seen of each layer while the network runs, in the order in which the layers first run."""
    network = clone(model).eval()
    graph, known, modules = graph_of(network, example), layers(network), dict(network.named_modules())
    source = {value: module for module, value in graph.returned if module in known}
    norms: dict[str, set[str]] = {}
    for op in graph.ops:
        if isinstance(modules[op.layer], _BatchNorm):
            norms.setdefault(op.layer, set()).update(source.get(value, "") for value in op.inputs)
    sites = {next(iter(read)): norm for norm, read in reversed(norms.items()) if len(read) == 1}
    macs = {name: count // len(example) for name, count in graph.macs.items() if name in known}
    return {name: Visit(count, sites.get(name, name)) for name, count in macs.items()}


def output_errors(
    original: nn.Module,
    model: nn.Module,
    sites: Mapping[str, str],
    images: View,
    count: int = IMAGES,
    report: Report = ignore,
) -> dict[str, Estimate | str]:
    """Return the error of each layer by its name in the original, or in words why it has none.

    `sites` names the module whose outputs stand for each layer, in both networks; of several calls the first counts.
    The first `count` images are used. Raises `Refused` where there are fewer than two.
    """
    count = min(count, len(images))
    if count < 2:
        raise Refused(f"the errors of layers need at least 2 calibration images, got {len(images)}")
    original, model = clone(original).eval(), clone(model).eval()
    rows = {name for name, layer in layers(original).items() if isinstance(layer, nn.Linear)}
    sums = {name: _Sums(last=name in rows) for name in sites}
    done = 0
    for indices, inputs, _ in images.batches(_CHUNK, torch.arange(count)):
        report(Progress(done / count, "comparing layers"))
        before, after = _outputs(original, sites, inputs), _outputs(model, sites, inputs)
        for name, found in sums.items():
            found.add_(before.get(name), after.get(name), len(inputs))
        done += len(indices)
    return {name: found.error() for name, found in sums.items()}


@torch.no_grad()
def _outputs(network: nn.Module, sites: Mapping[str, str], inputs: Tensor) -> dict[str, Tensor]:
    """Return the outputs at each site by the name of its layer."""
    found: dict[str, Tensor] = {}
    modules = dict(network.named_modules())

    def hook(name: str) -> Callable[[Any, Any, Any], None]:
        def after(_module: Any, _inputs: Any, output: Any) -> None:
            if name not in found and isinstance(output, Tensor):
                found[name] = output.clone()  # what follows may change it in place

        return after

    handles = [modules[site].register_forward_hook(hook(name)) for name, site in sites.items() if site in modules]
    try:
        network(inputs)
    finally:
        for handle in handles:
            handle.remove()
    return found


@dataclass
class _Sums:
    """Sums over positions, image after image, in float64."""

    last: bool
    """Whether channels are the last dimension, as those of linear layers are, not the second."""
    reason: str = ""
    positions: int = 1
    error_of: list[Tensor] = field(default_factory=list)
    """Squared distances [N]."""
    squares: list[Tensor] = field(default_factory=list)
    """Squares of the original outputs [N]."""
    channels: list[Tensor] = field(default_factory=list)
    """Sums of the original outputs [N, C]."""

    def add_(self, before: Tensor | None, after: Tensor | None, images: int) -> None:
        if before is None or after is None or len(before) % images:
            self.reason = "its outputs were not seen"
        elif before.shape != after.shape:
            at = before.ndim - 1 if self.last else 1
            self.reason = f"it has {after.shape[at]} outputs, and {before.shape[at]} in the original"
        else:
            y, moved = self._rows(before, images), self._rows(after - before, images)
            self.positions = y.shape[2]
            self.error_of.append(moved.square().sum((1, 2)))
            self.squares.append(y.square().sum((1, 2)))
            self.channels.append(y.sum(2))

    def _rows(self, y: Tensor, images: int) -> Tensor:
        """Return outputs as [N, C, P]."""
        y = y.double()
        return y.reshape(images, -1, y.shape[-1]).transpose(1, 2) if self.last else y.flatten(2)

    def error(self) -> Estimate | str:
        if self.reason:
            return self.reason
        lost, squares, channels = torch.cat(self.error_of), torch.cat(self.squares), torch.cat(self.channels)
        n = len(lost)
        mean = channels.sum(0) / (n * self.positions)
        varied = squares - 2 * channels @ mean + self.positions * mean.square().sum()
        whole = varied.sum()
        if not (whole.isfinite() and lost.isfinite().all()):
            return "its outputs are NaN or infinite"
        if whole <= 1e-12 * squares.sum():
            return "its outputs are the same for all images"
        ratio = float(lost.sum() / whole)
        spread = lost - ratio * varied
        half = 1.96 * float((n / (n - 1) * spread.square().sum()).sqrt() / whole)
        return Estimate(value=ratio, low=max(0.0, ratio - half), high=ratio + half, how="measured", n=n)
