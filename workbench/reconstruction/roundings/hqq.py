"""Half-quadratic quantization: a grid that fits most weights well, and lets a few outliers be wrong."""

from __future__ import annotations

from typing import final

import torch
from torch import Tensor

from workbench.grid import Grid
from workbench.reconstruction.rounding import Rounding, Rows, narrow, snapped, wide
from workbench.reconstruction.roundings.clip import clipped
from workbench.registry import roundings

_ROUNDS = 20
_POWER = 0.7


@roundings.register
@final
class HalfQuadratic(Rounding):
    """Minimise sum |w - q|^0.7 by half-quadratic splitting: errors are shrunk, then the scale is fitted to the rest.

    The paper fits a real zero point for groups of weights; here the zero point is whole, so that zero stays on the
    grid, and it is the scale of the output that is fitted.
    """

    name = "hqq"
    title = "half-quadratic (HQQ-like)"
    paper = "Badri and Shaji 2023, https://mobiusml.github.io/hqq_blog/"

    @staticmethod
    def round(rows: Rows) -> tuple[Tensor, Grid]:
        best = clipped(rows)
        if rows.spec.bits == 1:
            return snapped(rows, best), best
        weight = rows.weight * rows.keep
        grid, least, sharpness = best, _loss(weight, snapped(rows, best)), 10.0
        for _ in range(_ROUNDS):
            error = weight - snapped(rows, grid)
            size = error.abs()
            shrunk = error.sign() * (size - size.clamp(min=1e-8) ** (_POWER - 1) / sharpness).clamp(min=0)
            scale, zero = wide(grid, rows)
            code = (snapped(rows, grid) / scale).round()
            over, under = ((weight - shrunk) * code).sum(-1, keepdim=True), code.square().sum(-1, keepdim=True)
            if not rows.spec.per_channel:
                over, under = over.sum().expand_as(over), under.sum().expand_as(under)
            fitted = over / under.clamp(min=1)
            grid = narrow(torch.where(fitted > 0, fitted, scale), zero, rows.spec)
            if (loss := _loss(weight, snapped(rows, grid))) < least:
                best, least = grid, loss
            sharpness *= 1.1
        return snapped(rows, best), best


def _loss(weight: Tensor, rounded: Tensor) -> float:
    return float((weight - rounded).abs().pow(_POWER).sum())
