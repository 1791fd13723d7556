"""Rounding: the codes and the grid of a layer. Each method is one file of `roundings`; this is what they share.

Weights are rows [G, O, D] as in `problem`. What a mask has zeroed stays zero.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import ClassVar

import torch
from torch import Tensor

from workbench.grid import Grid, GridSpec, Kind
from workbench.reconstruction.problem import Problem

_BLOCK = 64

Nearest = Callable[[Tensor], Tensor]
"""From values [G, O], one for each output, to the nearest ones of the grid."""


@dataclass(frozen=True)
class Rows:
    """The weights of a layer that are to be rounded."""

    weight: Tensor
    """[G, O, D] float32."""
    keep: Tensor
    """[G, O, D], False where a weight is pruned."""
    spec: GridSpec
    problem: Problem | None = None
    """What the layer reads and ought to put out; None where a method does not look."""

    @property
    def reads(self) -> Problem:
        """The problem, which a method that looks is always given."""
        if self.problem is None:
            raise ValueError("this rounding method looks at data, and was given none")
        return self.problem


class Rounding(ABC):
    """One way to round. A subclass is final and registered by its name."""

    name: ClassVar[str]
    title: ClassVar[str]
    paper: ClassVar[str]
    kind: ClassVar[Kind] = "uniform"
    looks: ClassVar[bool] = False
    """Whether it looks at what the layer reads, so that it needs calibration images."""

    @staticmethod
    @abstractmethod
    def round(rows: Rows) -> tuple[Tensor, Grid]:
        """Return weights [G, O, D] that lie on the grid, and the grid, whose scales are in the order of the outputs."""


def snapped(rows: Rows, grid: Grid) -> Tensor:
    """Return the nearest weights of a grid."""
    flat = rows.weight.flatten(0, 1)
    return grid.decode(grid.encode(flat)).view_as(rows.weight) * rows.keep


def uniform(rows: Rows, low: Tensor, high: Tensor) -> Grid:
    """Return the uniform grid from `low` to `high` [G, O, 1], or their widest where there is one for the layer."""
    if not rows.spec.per_channel:
        low, high = low.amin().expand_as(low), high.amax().expand_as(high)
    ends = torch.cat([low.clamp(max=0), high.clamp(min=0)], -1).flatten(0, 1)  # a weight with these ends has this grid
    return Grid.fit(ends if rows.spec.per_channel else ends[:1], rows.spec)


def wide(grid: Grid, rows: Rows) -> tuple[Tensor, Tensor]:
    """Return scale and zero point of a grid for each output [G, O, 1]."""
    shape = (*rows.weight.shape[:2], 1)
    return tuple(x.expand(shape[0] * shape[1]).reshape(shape) for x in (grid.scale, grid.zero))  # type: ignore[return-value]


def narrow(scale: Tensor, zero: Tensor, spec: GridSpec) -> Grid:
    """Return the grid of scales and zero points [G, O, 1], which are equal where there is one for the layer."""
    scale, zero = scale.flatten(), zero.flatten()
    return Grid(spec, scale.contiguous(), zero.contiguous()) if spec.per_channel else Grid(spec, scale[:1], zero[:1])


def nearest_on(spec: GridSpec, scale: Tensor, zero: Tensor) -> Nearest:
    """Return the rounding to a uniform grid with scales and zero points [G, O]."""
    if spec.bits == 1:
        return lambda values: torch.where(values < 0, -scale, scale)
    lowest, highest = spec.lowest - zero, spec.highest - zero
    return lambda values: torch.clamp((values / scale).round(), lowest, highest) * scale


def coordinate_pass(problem: Problem, weight: Tensor, keep: Tensor, nearest: Nearest) -> Tensor:
    """Return weights [G, O, D] after each input in turn was set to the grid value of least loss, all others held.

    The loss is a quadratic form, so that this value is the nearest one to a closed-form minimum. The gradient is kept
    up to date within blocks of inputs at once, and for the rest once a block.
    """
    weight = weight.clone()
    gradient = (weight - problem.best) @ problem.hessian
    diagonal = problem.hessian.diagonal(dim1=-2, dim2=-1)
    for start in range(0, weight.shape[-1], _BLOCK):
        end = min(start + _BLOCK, weight.shape[-1])
        slope = gradient[..., start:end].clone()
        corner = problem.hessian[:, start:end, start:end]
        before = weight[..., start:end].clone()
        for j in range(end - start):
            old = weight[..., start + j]
            new = nearest(old - slope[..., j] / diagonal[:, start + j, None]) * keep[..., start + j]
            slope += (new - old)[..., None] * corner[:, None, j]
            weight[..., start + j] = new
        gradient += (weight[..., start:end] - before) @ problem.hessian[:, start:end]
    return weight


def repeated(problem: Problem, times: int) -> Problem:
    """Return the problem with its outputs repeated, so that several starts can be tried side by side."""
    return replace(problem, right=problem.right.repeat(1, times, 1))
