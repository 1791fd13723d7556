"""GPTQ: round one input after the other, and let the inputs that follow make up for the error."""

from __future__ import annotations

from typing import final

import torch
from torch import Tensor

from workbench.grid import Grid
from workbench.reconstruction.problem import Problem
from workbench.reconstruction.rounding import Nearest, Rounding, Rows, nearest_on, wide
from workbench.registry import roundings


@roundings.register
@final
class Gptq(Rounding):
    """Optimal brain quantization with a fixed order of inputs, on the grid of the whole range.

    A pruned weight is "rounded" to zero, which makes it SparseGPT's joint step.
    """

    name = "gptq"
    title = "GPTQ"
    paper = "Frantar et al. 2022, https://arxiv.org/abs/2210.17323; pruned: https://arxiv.org/abs/2301.00774"
    looks = True

    @staticmethod
    def round(rows: Rows) -> tuple[Tensor, Grid]:
        grid = Grid.fit(rows.weight.flatten(0, 1), rows.spec)
        scale, zero = (x[..., 0] for x in wide(grid, rows))
        return swept(rows.reads, rows.reads.best, rows.keep, nearest_on(rows.spec, scale, zero)), grid


def swept(problem: Problem, weight: Tensor, keep: Tensor, nearest: Nearest) -> Tensor:
    """Return weights [G, O, D] rounded from the first input to the last.

    With U the upper Cholesky factor of the inverse Hessian, rounding input j with error e moves the later inputs k by
    `-e U_jk / U_jj` (algorithm 1 of the paper, without its blocks).
    """
    inverse = torch.linalg.inv(problem.hessian)
    factor = torch.linalg.cholesky((inverse + inverse.transpose(-1, -2)) / 2, upper=True)
    weight = weight.clone()
    for j in range(weight.shape[-1]):
        rounded = nearest(weight[..., j]) * keep[..., j]
        error = (weight[..., j] - rounded) / factor[:, None, j, j]
        weight[..., j + 1 :] -= error[..., None] * factor[:, None, j, j + 1 :]
        weight[..., j] = rounded
    return weight
