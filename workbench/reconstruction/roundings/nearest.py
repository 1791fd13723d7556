"""Round to nearest: the control of all rounding methods."""

from __future__ import annotations

from typing import final

from torch import Tensor

from workbench.grid import Grid
from workbench.reconstruction.rounding import Rounding, Rows, snapped
from workbench.registry import roundings


@roundings.register
@final
class Nearest(Rounding):
    """The nearest point of a grid that spans the whole range of the weights."""

    name = "nearest"
    title = "round to nearest"
    paper = "Krishnamoorthi 2018, https://arxiv.org/abs/1806.08342; one bit: https://arxiv.org/abs/1603.05279"

    @staticmethod
    def round(rows: Rows) -> tuple[Tensor, Grid]:
        grid = Grid.fit((rows.weight * rows.keep).flatten(0, 1), rows.spec)
        return snapped(rows, grid), grid
