"""The least-squares problem of one layer, in second moments."""

from __future__ import annotations

import functools
from dataclasses import dataclass

import torch
from torch import Tensor

DAMPING = 0.01
"""What is added to the diagonal of the moments, as a share of its mean: it pulls weights that data do not determine
towards the reference weights, and makes singular moments (dead channels, constant inputs, few images) solvable."""


@dataclass(frozen=True)
class Problem:
    """Find the weight W [G, O, D] that minimises E |y - W x - b|^2 + damping |W - reference|^2.

    Up to a constant, the loss of W is `tr((W - best) hessian (W - best)^T)`. `G` counts groups, `O` outputs and `D`
    inputs in each.
    """

    hessian: Tensor
    """[G, D, D], damped, positive definite."""
    right: Tensor
    """[G, O, D]: `best @ hessian`."""
    mean_x: Tensor
    """[G, D]."""
    mean_y: Tensor
    """[G, O]: of the reference's outputs, which W x + b is to meet."""
    power_x: Tensor
    """[G, D]: mean square of each input, its mean included."""
    variance_y: Tensor
    """[G, O]: of the reference's outputs."""

    @functools.cached_property
    def best(self) -> Tensor:
        """The solution without constraints [G, O, D]."""
        solved: Tensor = torch.linalg.solve(self.hessian, self.right.transpose(-1, -2))
        return solved.transpose(-1, -2)

    def loss(self, weight: Tensor) -> Tensor:
        """Return the loss of weights [G, O, D] beyond that of `best`, for each output [G, O]."""
        away = weight - self.best
        return ((away @ self.hessian) * away).sum(-1)

    def bias(self, weight: Tensor) -> Tensor:
        """Return the bias [G, O] that meets the mean of the reference's outputs."""
        return self.mean_y - (weight @ self.mean_x[..., None])[..., 0]


class Moments:
    """Collects the moments of one layer, a few images at a time, in float32."""

    def __init__(self, *, centred: bool) -> None:
        self._centred = centred
        self._count = 0
        self._sums: list[Tensor] = []

    def add(self, x: Tensor, y: Tensor) -> None:
        """Add rows: inputs [G, N, D] and the outputs of the reference [G, N, O]."""
        news = [x.transpose(1, 2) @ x, y.transpose(1, 2) @ x, x.sum(1), y.sum(1), y.square().sum(1)]
        self._sums = news if not self._sums else [a + b for a, b in zip(self._sums, news, strict=True)]
        self._count += x.shape[1]

    def problem(self, reference: Tensor, damping: float = DAMPING) -> Problem:
        """Return the problem that is damped towards the reference weight [G, O, D].

        Where nothing is read at all (a dead input), the reference weight is the solution.
        """
        xx, yx, x, y, yy = (total / self._count for total in self._sums)
        power = xx.diagonal(dim1=-2, dim2=-1).clone()
        mean_x, mean_y = (x, y) if self._centred else (torch.zeros_like(x), torch.zeros_like(y))
        xx = xx - mean_x[..., :, None] * mean_x[..., None, :]
        yx = yx - mean_y[..., :, None] * mean_x[..., None, :]
        diagonal = xx.diagonal(dim1=-2, dim2=-1)
        # what a mean takes away leaves noise of float32 behind, which must not pass for what is read
        amount = torch.maximum(damping * diagonal.mean(-1, keepdim=True), 1e-5 * power.mean(-1, keepdim=True))
        amount = amount.clamp(min=1e-12)
        hessian = xx + torch.diag_embed(amount.expand_as(diagonal))
        return Problem(hessian, yx + amount[..., None] * reference, x, y, power, (yy - y.square()).clamp(min=0))
