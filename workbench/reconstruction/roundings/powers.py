"""Powers of two: multiplications become shifts."""

from __future__ import annotations

from typing import final

from torch import Tensor

from workbench.grid import Grid
from workbench.reconstruction.rounding import Rounding, Rows, snapped
from workbench.registry import roundings


@roundings.register
@final
class Powers(Rounding):
    """The nearest of zero and plus or minus powers of two."""

    name = "powers"
    title = "powers of two"
    paper = "Zhou et al. 2017 (INQ), https://arxiv.org/abs/1702.03044"
    kind = "powers"

    @staticmethod
    def round(rows: Rows) -> tuple[Tensor, Grid]:
        grid = Grid.fit((rows.weight * rows.keep).flatten(0, 1), rows.spec)
        return snapped(rows, grid), grid
