"""Shared weights: a codebook for each layer, found by k-means."""

from __future__ import annotations

from typing import final

from torch import Tensor

from workbench.grid import Grid
from workbench.reconstruction.rounding import Rounding, Rows, snapped
from workbench.registry import roundings


@roundings.register
@final
class KMeans(Rounding):
    """The nearest of 2^b - 1 levels that k-means found for the layer, and zero."""

    name = "kmeans"
    title = "k-means codebook"
    paper = "Han et al. 2016 (Deep Compression), https://arxiv.org/abs/1510.00149"
    kind = "codebook"

    @staticmethod
    def round(rows: Rows) -> tuple[Tensor, Grid]:
        grid = Grid.fit((rows.weight * rows.keep).flatten(0, 1), rows.spec)
        return snapped(rows, grid), grid
