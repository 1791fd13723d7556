"""Least squares with no negative coefficients: times are sums of costs, and no cost is less than nothing."""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

Array: TypeAlias = NDArray[np.float64]
Mask: TypeAlias = NDArray[np.bool_]
_ROUNDS = 6
_NEAR = 0.03
"""Relative errors below this are noise: they count alike."""


def nonnegative(matrix: Array, target: Array) -> Array:
    """Return x >= 0 that minimizes the squares of `matrix` [N, K] x - `target` [N].

    The active set method of Lawson and Hanson 1974, https://doi.org/10.1137/1.9781611971217, chapter 23.
    """
    scale: Array = np.linalg.norm(matrix, axis=0)
    scale[scale == 0] = 1
    matrix = matrix / scale
    free: Mask = np.zeros(matrix.shape[1], dtype=np.bool_)
    x: Array = np.zeros(matrix.shape[1])
    slope = matrix.T @ target
    for _ in range(3 * matrix.shape[1]):
        if free.all() or slope[~free].max() <= 1e-10:
            break
        free[np.argmax(np.where(free, -np.inf, slope))] = True
        x = _settled(matrix, target, free, x)
        slope = matrix.T @ (target - matrix @ x)
    return x / scale


def _settled(matrix: Array, target: Array, free: Mask, x: Array) -> Array:
    """Solve for the free coefficients, and hold at zero those that would fall below it; `free` loses these."""
    while free.any():
        wanted = np.zeros_like(x)
        wanted[free] = np.linalg.lstsq(matrix[:, free], target, rcond=None)[0]
        below = free & (wanted <= 0)
        if not below.any():
            return wanted
        step = (x[below] / (x[below] - wanted[below])).min()
        x = x + step * (wanted - x)
        free &= x > 1e-15
    return np.zeros_like(x)


def fitted(parts: Array, times: Array) -> Array:
    """Return costs >= 0 such that `parts` [N, K] costs are near `times` [N], by small relative errors.

    Squares are weighted anew in some rounds so that they come to absolute errors: a few disturbed times do not count.
    """
    relative = parts / times[:, None]
    weights = np.ones(len(times))
    costs = np.zeros(parts.shape[1])
    for _ in range(_ROUNDS):
        costs = nonnegative(relative * weights[:, None], weights)
        errors = np.abs(relative @ costs - 1)
        weights = 1 / np.sqrt(np.maximum(errors, _NEAR))
    return costs
