"""Codebooks: the few values that the weights of a layer share, found by k-means in one dimension.

The values besides zero are called levels: distinct, ascending, none of them 0.0. Zero is a value of every codebook that
is fixed, so that pruned weights stay pruned; k-means moves the others around it. With `spared=True` only a weight that
is 0.0 gets the value zero, and k-means does not count with it: that is the codebook of one bit.

Deep Compression: Han et al. 2016, https://arxiv.org/abs/1510.00149.
"""

from __future__ import annotations

import torch
from torch import Tensor

_STEPS = 300
"""k-means stops there at the latest; a step costs microseconds."""


def fitted(weight: Tensor, most: int, importance: Tensor | None = None, *, spared: bool = False) -> Tensor:
    """Return at most `most` levels, float32 [K], of the finite weights by Lloyd's algorithm from an even spread.

    It looks at the weights in order, where each cell is a range of prefix sums: a million of them take a fraction of a
    second. A level whose cell is empty, as many of an even spread are, goes to halve the cell of the largest error.
    `importance`, of the shape of the weight and not negative, says how much the error of a weight counts.
    As many distinct weights as levels, or fewer, are the levels themselves.
    """
    values, order = weight.detach().double().flatten().sort(stable=True)
    masses = torch.ones_like(values) if importance is None else importance.detach().double().flatten()[order]
    counts = (values != 0) & (masses > 0)
    values, masses = values[counts], masses[counts]
    distinct = values.unique_consecutive()
    if len(distinct) <= most:
        return _levels(distinct)
    sums = torch.stack((masses, masses * values, masses * values.square())).cumsum(1)
    sums = torch.cat((sums.new_zeros(3, 1), sums), 1)
    steps = torch.arange(most, device=values.device, dtype=torch.float64) / max(most - 1, 1)
    levels = values[0] + (values[-1] - values[0]) * steps
    before = None
    for _ in range(_STEPS):
        cells, kept = _with_zero(levels, spared)
        inner = torch.searchsorted(values, (cells[1:] + cells[:-1]) / 2)
        if before is not None and torch.equal(inner, before):
            break
        ends = torch.cat((inner.new_zeros(1), inner, inner.new_tensor([len(values)])))
        starts, stops = _filled(ends[:-1][kept], ends[1:][kept], sums, most)
        mass, moment, _ = sums[:, stops] - sums[:, starts]
        levels, before = moment / mass, inner
    return _levels(levels)


def _filled(starts: Tensor, stops: Tensor, sums: Tensor, most: int) -> tuple[Tensor, Tensor]:
    """Return the cells from `starts` to `stops` that hold weights, the worst of them halved to make up for the rest."""
    full = starts < stops
    starts, stops = starts[full], stops[full]
    mass, moment, square = sums[:, stops] - sums[:, starts]
    errors = torch.where(stops - starts > 1, square - moment.square() / mass, 0)
    worst = errors.argsort(descending=True, stable=True)[: most - len(starts)]
    middle = ((starts + stops) // 2)[worst[errors[worst] > 0]]
    return torch.cat((starts, middle)).sort().values, torch.cat((stops, middle)).sort().values


def refitted(levels: Tensor, weight: Tensor, *, spared: bool = False) -> Tensor:
    """Return the levels after one step of Lloyd's algorithm: each the mean of the weights that are nearest to it."""
    values = weight.detach().flatten()
    values = values[values != 0]
    codes = encoded(values, levels, spared=spared).long()
    counts = torch.bincount(codes, minlength=len(levels) + 1)[1:]
    sums = torch.bincount(codes, values.double(), minlength=len(levels) + 1)[1:]
    return _levels(torch.where(counts > 0, sums / counts.clamp(min=1), levels.double()))


def encoded(weight: Tensor, levels: Tensor, *, spared: bool = False) -> Tensor:
    """Return the code of the nearest value, int16 of the weight's shape: 0 for zero, k + 1 for level k."""
    weight = weight.detach()
    found = torch.zeros(weight.shape, dtype=torch.int16, device=weight.device)
    values, kept = _with_zero(levels, spared)
    if len(values) == 0:
        return found
    codes = torch.zeros(len(values), dtype=torch.int16, device=weight.device)
    codes[kept] = torch.arange(1, len(levels) + 1, dtype=torch.int16, device=weight.device)
    low, high = values[:-1], values[1:]
    # in float32 the middle may coincide with the lower level, which then would not be its own nearest one
    middle = torch.maximum(((low.double() + high.double()) / 2).float(), low.nextafter(high))
    others = weight != 0  # few of a pruned weight, and zero always has the code 0
    found[others] = codes[torch.bucketize(weight[others].float(), middle, right=True)]
    return found


def decoded(codes: Tensor, levels: Tensor) -> Tensor:
    """Return the float32 weights that the codes stand for."""
    return torch.cat((levels.new_zeros(1), levels))[codes.long()]


def are_levels(values: Tensor) -> bool:
    """Return whether these float32 values [K] are what this module makes: finite, ascending, none of them zero."""
    return not len(values) or bool(values.isfinite().all() and (values.diff() > 0).all() and (values != 0).all())


def _with_zero(levels: Tensor, spared: bool) -> tuple[Tensor, Tensor]:
    """Return the values that k-means tells apart, in order, and where the levels are among them."""
    places = torch.arange(len(levels), device=levels.device)
    if spared:
        return levels, places
    below = int((levels < 0).sum())
    return torch.cat((levels[:below], levels.new_zeros(1), levels[below:])), places + (places >= below)


def _levels(values: Tensor) -> Tensor:
    found: Tensor = values.float().unique()
    return found[found != 0]
