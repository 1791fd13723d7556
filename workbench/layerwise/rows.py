"""One row for each layer of a compressed network, beside what the layer was in the original."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import nn

from workbench.context import Report, ignore
from workbench.images import View
from workbench.layerwise.histogram import WeightHistogram, weight_histogram
from workbench.layerwise.outputs import IMAGES, Visit, output_errors, visits
from workbench.network import Layer, layers, weight_format
from workbench.result import Estimate, Job


@dataclass(frozen=True, kw_only=True)
class LayerFacts:
    """What can be counted in a layer."""

    parameters: int
    """Weights and biases."""
    size_bytes: int
    """What they take in the packed file, with their scales and positions; headers and batch norms are not in it."""
    sparsity: float
    """Share of the weights that are zero."""
    bits: int
    """Bits of the grid of its weights; those of its numbers where they may take any value."""
    macs: int
    """Multiply-adds for one image; 0 where the layer does not run."""


@dataclass(frozen=True, kw_only=True)
class LayerRow:
    """One layer of the compressed network."""

    name: str
    kind: str
    """In words: `Conv2d 3x3`, `Conv2d 3x3 depthwise`, `Linear`."""
    shape: tuple[int, ...]
    """Of its weight, [out, in / groups, ...]."""
    now: LayerFacts
    before: LayerFacts | None
    """The same in the original; None for a factor of what was one layer."""
    error: Estimate | None
    """Squared distance of its outputs from those of the original, relative to how much those vary (see `outputs`)."""
    reason: str
    """Why there is no error; "" where there is one."""
    weights: WeightHistogram


@dataclass(frozen=True, kw_only=True)
class LayerView:
    """The layers of what a job makes, in the order in which they run."""

    job: Job
    rows: tuple[LayerRow, ...]
    images: int
    """On how many calibration images errors were measured."""

    def row(self, name: str) -> LayerRow | None:
        """Return the row of a layer, None where there is none of this name."""
        return next((row for row in self.rows if row.name == name), None)


def layer_rows(
    original: nn.Module,
    model: nn.Module,
    images: View,
    *,
    original_bytes: Mapping[str, int],
    model_bytes: Mapping[str, int],
    count: int = IMAGES,
    report: Report = ignore,
) -> tuple[LayerRow, ...]:
    """Return a row for each layer of `model`, in the order in which they run; those that do not run come last.

    `original_bytes` and `model_bytes` are the bytes of each tensor in the packed files (`Packed.tensors`). Errors stand
    on the first `count` of `images`, which must not be test images. The factors of a layer that was split share its
    error, which the last of them carries. Raises `Refused` where there are fewer than two images.
    """
    example = images.inputs(torch.arange(min(2, len(images))))
    old, new = visits(original, example), visits(model, example)
    known, found = layers(original), layers(model)
    errors = output_errors(original, model, {name: visit.site for name, visit in old.items()}, images, count, report)
    rows = []
    for name in [*new, *(name for name in found if name not in new)]:
        layer, was = found[name], known.get(name)
        known_as = name if was is not None else _factored(name, known)
        error = errors.get(known_as, "the calibration images do not reach it")
        if known_as and name == f"{known_as}.0":
            error = f"it is the first of two factors of {known_as}: see {known_as}.1"
        rows.append(
            LayerRow(
                name=name,
                kind=_kind(layer),
                shape=tuple(layer.weight.shape),
                now=layer_facts(name, layer, model_bytes, _macs(name, new)),
                before=None if was is None else layer_facts(name, was, original_bytes, _macs(name, old)),
                error=None if isinstance(error, str) else error,
                reason=error if isinstance(error, str) else "",
                weights=weight_histogram(was, layer),
            )
        )
    return tuple(rows)


def _factored(name: str, known: Mapping[str, Layer]) -> str:
    """Return the layer of the original that a factor stands for, "" where there is none."""
    whole, _, part = name.rpartition(".")
    return whole if part in ("0", "1") and whole in known else ""


def _macs(name: str, seen: Mapping[str, Visit]) -> int:
    return seen[name].macs if name in seen else 0


def _kind(layer: Layer) -> str:
    words = [type(layer).__name__]
    if not isinstance(layer, nn.Linear):
        words.append("x".join(map(str, layer.kernel_size)))
        if layer.groups > 1:
            words.append("depthwise" if layer.groups == layer.in_channels else f"in {layer.groups} groups")
    return " ".join(words)


def layer_facts(name: str, layer: Layer, sizes: Mapping[str, int], macs: int) -> LayerFacts:
    """Return what can be counted in a layer, given the bytes of each tensor in the packed file."""
    weight, grid = layer.weight.detach(), weight_format(layer).grid
    parts = [(f"{name}.{key}" if name else key, tensor) for key, tensor in layer.named_parameters(recurse=False)]
    return LayerFacts(
        parameters=sum(tensor.numel() for _, tensor in parts),
        size_bytes=sum(sizes.get(part, 0) for part, _ in parts),
        sparsity=1 - int(weight.count_nonzero()) / max(1, weight.numel()),
        bits=8 * weight.element_size() if grid is None else grid.spec.bits,
        macs=macs,
    )
