"""Weights of one layer before and after, counted on one axis on which the values of its grid are points."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from workbench.grid import Grid
from workbench.network import Layer, weight_format

BINS = 80
_MOST_COUNTED = 1_000_000
"""Of larger weights this many are counted, evenly spread: more would not change the picture."""

Unit = Literal["weight", "step", "largest"]


@dataclass(frozen=True, kw_only=True)
class WeightHistogram:
    """Counts of weights between edges, and the values that the grid of the layer offers.

    Channels with scales of their own have no value in common, so the axis then is the weight in steps of the grid of
    its channel (`step`) or, of powers of two, as a part of the largest one (`largest`).
    """

    unit: Unit
    edges: tuple[float, ...]
    """B + 1 ascending values in `unit`."""
    before: tuple[int, ...]
    """B counts of the original weights; empty where they have no place on this axis."""
    after: tuple[int, ...]
    """B counts of the present weights."""
    points: tuple[float, ...]
    """Values of the grid, ascending; empty where there is no grid, or half precision, which has too many."""
    counted: int
    """How many of the present weights were counted."""
    zeros: int
    """How many of those are zero."""


@torch.no_grad()
def weight_histogram(original: Layer | None, layer: Layer, bins: int = BINS) -> WeightHistogram:
    """Return the histogram of a layer and of what it was in the original; None where there was no such layer.

    There are about as many bins as asked for. On a uniform grid they have an odd number of steps or one odd part of a
    step, so that as many points fall into one bin as into the next. Weights that are NaN or infinite are not counted.
    """
    grid = weight_format(layer).grid
    unit, step = _axis(grid)
    after = _values(layer, grid, unit)
    comparable = original is not None and (unit == "weight" or original.weight.shape == layer.weight.shape)
    before = _values(original, grid, unit) if original is not None and comparable else after[:0]
    points = _points(grid, unit)
    shown = torch.cat((before, after, after.new_tensor(points)))
    low, high = (float(shown.min()), float(shown.max())) if len(shown) else (0.0, 0.0)
    edges = _edges(low, high, bins, step)
    return WeightHistogram(
        unit=unit,
        edges=tuple(edges.tolist()),
        before=_counts(before, edges) if comparable else (),
        after=_counts(after, edges),
        points=points,
        counted=len(after),
        zeros=int((after == 0).sum()),
    )


def _axis(grid: Grid | None) -> tuple[Unit, float | None]:
    """Return the unit of the axis, and in it the step of a uniform grid."""
    if grid is None or len(grid.scale) == 0:
        return "weight", None
    one = len(grid.scale) == 1
    if grid.spec.kind == "powers":
        return ("weight" if one else "largest"), None
    return ("weight", float(grid.scale)) if one else ("step", 1.0)


def _values(layer: Layer, grid: Grid | None, unit: Unit) -> Tensor:
    """Return finite weights in this unit, float64 [N], on the CPU."""
    weight = layer.weight.detach().double().cpu()
    if grid is not None and unit != "weight":
        weight = weight / grid.scale.double().cpu().view(-1, *[1] * (weight.ndim - 1))
    flat = weight.flatten()
    stride = math.ceil(len(flat) / _MOST_COUNTED)
    while math.gcd(stride, max(1, weight[0].numel())) > 1:  # else some places of every filter would never be seen
        stride += 1
    flat = flat[::stride]
    return flat[flat.isfinite()]


def _points(grid: Grid | None, unit: Unit) -> tuple[float, ...]:
    if grid is None or grid.spec.bits == 16:
        return ()
    if grid.spec.kind == "codebook":
        return tuple(sorted({0.0, *grid.levels.tolist()} if grid.spec.bits > 1 else grid.levels.tolist()))
    scale = float(grid.scale) if unit == "weight" else 1.0
    if grid.spec.kind == "powers":
        sizes = [scale * 2.0**-power for power in range(grid.spec.highest)]
        return tuple(sorted({0.0, *sizes, *(-size for size in sizes)}))
    if grid.spec.bits == 1:
        return -scale, scale
    codes = range(grid.spec.lowest - int(grid.zero.max()), grid.spec.highest - int(grid.zero.min()) + 1)
    return tuple(scale * code for code in codes)


def _edges(low: float, high: float, bins: int, step: float | None) -> Tensor:
    if high <= low:
        low, high = low - 0.5, low + 0.5
    if step is None:
        return torch.linspace(low, high, bins + 1, dtype=torch.float64)
    steps = (high - low) / step
    parts = max(1, int(bins / steps))
    width = step / (parts - 1 + parts % 2) if parts > 1 else step * (math.ceil(steps / bins) // 2 * 2 + 1)
    first, last = math.floor(low / width - 0.5), math.ceil(high / width + 0.5)
    return (torch.arange(first, last + 1, dtype=torch.float64) + 0.5) * width


def _counts(values: Tensor, edges: Tensor) -> tuple[int, ...]:
    """Return how many values lie in each bin; those on an edge belong to the bin above it, on the last to the last."""
    places = (torch.bucketize(values, edges, right=True) - 1).clamp(0, len(edges) - 2)
    return tuple(torch.bincount(places, minlength=len(edges) - 1).tolist())
