"""From what a layer reads to the range that its grid spans: everything beyond the range is clipped to its ends.

A narrow range has a fine grid and clips much, a wide one clips little on a coarse grid. The methods differ in what they
weigh against each other; all are plain functions of sampled values, and return (low, high) within the range seen.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

import torch
from torch import Tensor

from workbench.activations import ActivationFormat

Bounds: TypeAlias = tuple[float, float]
Loss: TypeAlias = Callable[[Tensor, Tensor], Tensor]
"""From candidate lows [C] and highs [C] to what each of them costs [C]."""
_BINS = 2048


@dataclass(frozen=True)
class Inputs:
    """What arrives at one layer."""

    low: float
    """The lowest value of all, not only of those sampled."""
    high: float
    values: Tensor
    """A sample, float32 [K], sorted."""
    rows: Tensor | None = None
    """Patches [G, N, D] that the weight is multiplied with; None where nobody asked, or the layer does as it likes."""

    @property
    def bounds(self) -> Bounds:
        return self.low, self.high

    @functools.cached_property
    def histogram(self) -> tuple[Tensor, Tensor]:
        """Values other than zero and how often each occurs; where they are many, the centres of equal bins."""
        values = self.values[self.values != 0]
        if len(values) <= _BINS:
            return values, torch.ones_like(values)
        low, high = float(values[0]), float(values[-1])
        counts = torch.histc(values, _BINS, low, high)
        centres = low + (torch.arange(_BINS) + 0.5) * ((high - low) / _BINS)
        return centres[counts > 0], counts[counts > 0]


def percentile(inputs: Inputs, coverage: float) -> Bounds:
    """Return the range without the lowest and the highest 1 - `coverage` of the values."""
    last = len(inputs.values) - 1
    at = round(coverage * last)
    return float(inputs.values[last - at]), float(inputs.values[at])


def mse(inputs: Inputs, bits: int) -> Bounds:
    """Return the range of least mean squared error of the values."""
    points, counts = inputs.histogram  # without zero, which is on every grid

    def loss(low: Tensor, high: Tensor) -> Tensor:
        top = (1 << bits) - 1
        scale = ((high - low) / top)[:, None]
        zero = (-low[:, None] / scale).round()
        error = (points / scale).round().clamp(-zero, top - zero).mul(scale) - points
        return error.square() @ counts

    return _narrowed(inputs.bounds, loss, coarse=40, fine=24)


def output(inputs: Inputs, weight: Tensor, bits: int) -> Bounds:
    """Return the range with which the outputs of the layer, of weight [G, O, D], have the least squared error.

    Errors of inputs that the weights hardly read count little, and errors that add up count much.
    """
    if inputs.rows is None:
        return mse(inputs, bits)
    rows, columns = inputs.rows, weight.detach().float().transpose(1, 2)

    def loss(low: Tensor, high: Tensor) -> Tensor:
        forms = [ActivationFormat.spanning(a, b, bits) for a, b in zip(low.tolist(), high.tolist(), strict=True)]
        return torch.stack([((form.rounded(rows) - rows) @ columns).square().sum() for form in forms])

    return _narrowed(inputs.bounds, loss, coarse=20, fine=9)


def entropy(inputs: Inputs, bits: int) -> Bounds:
    """Return the range whose rounded histogram diverges least from that of the values (Kullback-Leibler).

    Positive and negative values share one threshold, and each side half of the codes.
    """
    size = inputs.values.abs()
    levels = 1 << (bits - 1 if inputs.low < 0 < inputs.high else bits)
    counts = torch.histc(size[size > 0], _BINS, 0, float(size[[0, -1]].max()) or 1.0)
    ends = torch.linspace(max(levels, _BINS // 64), _BINS, 48).long().unique()
    share = float(ends[_divergences(counts, ends, levels).argmin()]) / _BINS * float(size[[0, -1]].max())
    return max(inputs.low, -share), min(inputs.high, share)


def _divergences(counts: Tensor, ends: Tensor, levels: int) -> Tensor:
    """Return KL(p, q) for each end: p has all beyond it in the last bin, q is flat within a level, but for empty bins.

    Everything is [ends, bins]; bins beyond an end are empty in p and q.
    """
    bins, last = torch.arange(len(counts)), ends[:, None] - 1
    inside = counts * (bins <= last)
    p = inside + torch.where(bins == last, counts.sum() - inside.sum(1, keepdim=True), 0.0)
    level = (bins * levels // ends[:, None]).clamp(max=levels - 1)
    filled = (inside > 0).float()
    total, number = (torch.zeros(len(ends), levels).scatter_add_(1, level, part) for part in (inside, filled))
    q = (total / number.clamp(min=1)).gather(1, level) * filled
    p, q = (part / part.sum(1, keepdim=True).clamp(min=1) for part in (p, q))
    return torch.where(p > 0, p * ((p + 1e-9) / (q + 1e-9)).log(), 0.0).sum(1)


def _narrowed(bounds: Bounds, loss: Loss, *, coarse: int, fine: int) -> Bounds:
    """Return the best range within `bounds`: both ends drawn in together, then each alone; ties go to the widest."""
    widest = torch.tensor([min(bounds[0], 0.0), max(bounds[1], 0.0)])
    if not widest.any():
        return 0.0, 0.0

    def best(candidates: Tensor) -> Tensor:
        return candidates[loss(candidates[:, 0], candidates[:, 1]).argmin()]

    found = best(widest * torch.logspace(0, -2, coarse)[:, None])
    for end in (0, 1):
        if widest[end]:
            candidates = found.repeat(fine, 1)
            candidates[:, end] *= torch.linspace(1.5, 0.5, fine)
            candidates = torch.minimum(candidates.abs(), widest.abs()) * widest.sign()
            found = best(torch.cat([found[None], candidates]))
    low, high = found.tolist()
    return low, high
