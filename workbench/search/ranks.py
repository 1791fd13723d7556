"""Spearman's rank correlation: whether one number puts things in the order of another.

Spearman 1904, https://doi.org/10.2307/1412159. Ties get the mean of their ranks. 1 is the same order, -1 the reverse.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from workbench.errors import Refused
from workbench.result import Estimate

_RESAMPLED = 2000
_FEWEST = 4
"""Pairs below which an interval would say nothing."""


def spearman(a: Sequence[float], b: Sequence[float]) -> float:
    """Return the rank correlation of two rows of numbers [N]; NaN where one of them has a single value or none.

    Infinite values rank beyond all others. Raises `Refused` for rows of different lengths and for NaN.
    """
    if len(a) != len(b) or any(map(math.isnan, (*a, *b))):
        raise Refused(f"a rank correlation needs two numbers of each thing, got {len(a)} and {len(b)}, perhaps NaN")
    pairs = torch.tensor([tuple(a), tuple(b)], dtype=torch.float64)
    return float(_correlation(ranks(pairs)))


def rank_correlation(a: Sequence[float], b: Sequence[float], seed: int = 0) -> Estimate | None:
    """Return the rank correlation with its 95 % interval, from resampled pairs; None where there are too few.

    Samples in which one side has a single value have no correlation, and are left out.
    """
    value = spearman(a, b)
    if len(a) < _FEWEST or math.isnan(value):
        return None
    pairs = torch.tensor([tuple(a), tuple(b)], dtype=torch.float64)
    drawn = torch.randint(len(a), (_RESAMPLED, len(a)), generator=torch.Generator().manual_seed(seed))
    found = _correlation(ranks(pairs[:, drawn]))
    ends = torch.tensor([0.025, 0.975], dtype=torch.float64)
    low, high = found[~found.isnan()].quantile(ends).tolist()
    return Estimate(value=value, low=min(low, value), high=max(high, value), how="measured", n=len(a))


def ranks(values: Tensor) -> Tensor:
    """Return ranks from 1 on along the last dimension [..., N]; ties get the mean of theirs."""
    order = values.sort(-1).values.contiguous()
    below, reached = (torch.searchsorted(order, values.contiguous(), right=right) for right in (False, True))
    return (below + reached + 1) / 2


def _correlation(ranked: Tensor) -> Tensor:
    """Return Pearson's correlation of two rows [2, ..., N]."""
    a, b = ranked.double() - ranked.double().mean(-1, keepdim=True)
    found: Tensor = (a * b).sum(-1) / (a.square().sum(-1) * b.square().sum(-1)).sqrt()
    return found
