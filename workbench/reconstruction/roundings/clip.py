"""MSE clipping: a narrower grid, whose ends cut off what is rare and whose points lie closer."""

from __future__ import annotations

from typing import final

import torch
from torch import Tensor

from workbench.grid import Grid
from workbench.reconstruction.rounding import Rounding, Rows, narrow, snapped, uniform, wide
from workbench.registry import roundings

SHRINK = tuple(1 - k / 20 for k in range(15))
"""Shares of the full range that are tried."""


@roundings.register
@final
class Clip(Rounding):
    """Round to nearest on the grid whose clipped range has the least squared error, among some."""

    name = "clip"
    title = "MSE clipping"
    paper = "Banner et al. 2019, https://arxiv.org/abs/1810.05723; Nagel et al. 2021, https://arxiv.org/abs/2106.08295"

    @staticmethod
    def round(rows: Rows) -> tuple[Tensor, Grid]:
        grid = clipped(rows)
        return snapped(rows, grid), grid


def clipped(rows: Rows) -> Grid:
    """Return the uniform grid of least squared rounding error, for each output or for the layer."""
    weight = rows.weight * rows.keep
    if rows.spec.bits == 1:
        return Grid.fit(weight.flatten(0, 1), rows.spec)  # its scale is the mean, not the end of a range
    low, high = weight.amin(-1, keepdim=True), weight.amax(-1, keepdim=True)
    least: Tensor | None = None
    for shrink in SHRINK:
        grid = uniform(rows, shrink * low, shrink * high)
        error = (snapped(rows, grid) - weight).square().sum(-1, keepdim=True)
        if not rows.spec.per_channel:
            error = error.sum().expand_as(error)
        scale, zero = wide(grid, rows)
        if least is None:
            least, scales, zeros = error, scale, zero
        else:
            better = error < least
            least = torch.where(better, error, least)
            scales, zeros = torch.where(better, scale, scales), torch.where(better, zero, zeros)
    return narrow(scales, zeros, rows.spec)
