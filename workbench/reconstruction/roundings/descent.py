"""Coordinate descent on the grid: the default. Codes, scales and zero points of least reconstruction error."""

from __future__ import annotations

from typing import final

import torch
from torch import Tensor

from workbench.grid import Grid
from workbench.reconstruction.problem import Problem
from workbench.reconstruction.rounding import (
    Rounding,
    Rows,
    coordinate_pass,
    narrow,
    nearest_on,
    repeated,
    uniform,
    wide,
)
from workbench.reconstruction.supports import refit
from workbench.registry import roundings

_STARTS = (1.0, 0.85, 0.7, 0.55)
"""Shares of the range of the weights that the first grids span."""
_TRIALS = 2
_PASSES = 4


@roundings.register
@final
class Descent(Rounding):
    """Set one input after the other to the grid value of least loss, fit the scales to the codes, and again.

    Several first grids are tried side by side for two passes; the best one for each output goes on for four more. With
    bits for the whole layer there is one grid for all outputs, and the best is chosen for all of them.
    """

    name = "descent"
    title = "coordinate descent"
    paper = (
        "Behdin et al. 2023 (QuantEase), https://arxiv.org/abs/2309.01885; the loss: Nagel et al. 2020, "
        "https://arxiv.org/abs/2004.10568"
    )
    looks = True

    @staticmethod
    def round(rows: Rows) -> tuple[Tensor, Grid]:
        free = refit(rows.reads, rows.keep, rows.weight, 10)
        weight, scale, zero = _tried(rows, free)
        for _ in range(_PASSES):
            weight, scale = _improved(rows, rows.reads, rows.keep, weight, scale, zero)
        grid = narrow(scale, zero, rows.spec)
        code = (weight / scale).round()
        return code * scale, grid


def _tried(rows: Rows, free: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Return weight, scale and zero point of the best first grid after some passes."""
    grids = [_first(rows, free, share) for share in _STARTS]
    many = repeated(rows.reads, len(grids))
    keep = rows.keep.repeat(1, len(grids), 1)
    scale, zero = (torch.cat(parts, 1) for parts in zip(*(wide(grid, rows) for grid in grids), strict=True))
    weight = free.repeat(1, len(grids), 1)
    for _ in range(_TRIALS):
        weight, scale = _improved(rows, many, keep, weight, scale, zero)
    g, o, _ = rows.weight.shape
    loss = many.loss(weight).view(g, len(grids), o)
    if not rows.spec.per_channel:
        loss = loss.sum((0, 2), keepdim=True).expand_as(loss)
    pick = loss.argmin(1)[:, None, :, None]
    return tuple(  # type: ignore[return-value]
        x.view(g, len(grids), o, -1).gather(1, pick.expand(g, 1, o, x.shape[-1]))[:, 0] for x in (weight, scale, zero)
    )


def _first(rows: Rows, free: Tensor, share: float) -> Grid:
    if rows.spec.bits == 1:
        return Grid.fit((share * free).flatten(0, 1), rows.spec)
    return uniform(rows, share * free.amin(-1, keepdim=True), share * free.amax(-1, keepdim=True))


def _improved(
    rows: Rows, problem: Problem, keep: Tensor, weight: Tensor, scale: Tensor, zero: Tensor
) -> tuple[Tensor, Tensor]:
    """Return weight and scale after one pass over the inputs and one closed-form fit of the scales."""
    weight = coordinate_pass(problem, weight, keep, nearest_on(rows.spec, scale[..., 0], zero[..., 0]))
    code = (weight / scale).round()
    turned = code @ problem.hessian
    over, under = (turned * problem.best).sum(-1, keepdim=True), (turned * code).sum(-1, keepdim=True)
    if not rows.spec.per_channel:  # the copies of several starts have a grid each
        g, o, _ = rows.weight.shape
        over, under = (
            x.view(g, -1, o, 1).sum((0, 2), keepdim=True).expand(g, -1, o, 1).reshape_as(x) for x in (over, under)
        )
    fitted = over / under.clamp(min=torch.finfo(under.dtype).tiny)
    scale = torch.where(fitted > 1e-3 * scale, fitted, scale)
    return code * scale, scale
