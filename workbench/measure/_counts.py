"""The 95 % interval of a number of images that is known by its mean and variance."""

from __future__ import annotations

import math

import torch

from workbench.measure._intervals import Interval

_HALVINGS = 45
_TINY = 1e-9


def counts(mean: float, variance: float, most: int) -> Interval:
    """Return the interval of a number of images in [0, most] that is known by its mean and variance, rounded outwards.

    It is read from the gamma distribution with these moments, which is skewed as rare events are and close to the
    normal one where they are many.
    """
    if mean <= 0 or variance <= 0:
        return mean, mean
    shape = torch.tensor(mean**2 / variance, dtype=torch.float64)
    wanted = torch.tensor([0.025, 0.975], dtype=torch.float64)
    low, high = torch.zeros(2, dtype=torch.float64), torch.full((2,), float(most), dtype=torch.float64)
    for _ in range(_HALVINGS):  # torch has the distribution but not its quantiles
        middle = (low + high) / 2
        below = torch.special.gammainc(shape, middle * mean / variance) < wanted
        low, high = torch.where(below, middle, low), torch.where(below, high, middle)
    return math.floor(float(low[0]) + _TINY), math.ceil(float(high[1]) - _TINY)
