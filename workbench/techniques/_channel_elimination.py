"""What a layer loses when channels that it reads leave and the rest of its weights is refitted: group OBS.

With the moments H of what the layer reads and its free solution W, the least loss with the columns S of a channel at
zero lies `tr(W_S (H^-1_SS)^-1 W_S^T)` above that of W, and the refitted weights are `W - W_S (H^-1_SS)^-1 H^-1_S`. The
same holds for what is left after each removal, whose inverse is a Schur complement of the one before, so a whole order
of channels costs little more than one inverse. This is the optimal brain surgeon for groups of weights that go together
(Frantar and Alistarh 2022, https://arxiv.org/abs/2208.11580).
"""

from __future__ import annotations

import torch
from torch import Tensor

from workbench.reconstruction.problem import Problem

_CROWDED = 0.75
"""Matrices shrink once fewer of their columns are left: to copy them each time would cost more than to update them."""


class Elimination:
    """One layer while channels that it reads leave, in double precision."""

    def __init__(self, problem: Problem, columns: Tensor, labels: Tensor) -> None:
        """Start from the problem of a layer with one group; `columns` [D] says which label each of its inputs has."""
        self._inverse = _inverse(problem.hessian[0].double().cpu())
        self._weight = problem.best[0].double().cpu().clone()
        self._columns = columns.clone()
        self._spent = int(columns.max()) + 1  # marks columns that have left
        self.labels = labels[torch.isin(labels, columns)]
        """The labels among those asked for that are still there, int64 [K]."""

    def costs(self) -> Tensor:
        """Return by how much the loss would rise without each of the labels; float64 [K]."""
        found = torch.zeros(len(self.labels), dtype=torch.float64)
        sizes = torch.bincount(self._columns, minlength=int(self.labels.max()) + 1)
        ends, by_label = sizes.cumsum(0), self._columns.argsort(stable=True)
        for size in sizes[self.labels].unique().tolist():  # one batch for all labels of as many columns
            which = sizes[self.labels] == size
            at = by_label[(ends[self.labels[which]] - size)[:, None] + torch.arange(size)]  # [M, size]
            block = self._inverse[at[:, :, None], at[:, None, :]]
            weight = self._weight[:, at].permute(1, 2, 0)  # [M, size, O]
            found[which] = (weight * torch.linalg.solve(block, weight)).sum((1, 2))
        return found

    def remove_(self, labels: Tensor) -> None:
        """Take out the columns of some labels and refit the others, in place."""
        gone = torch.isin(self._columns, labels)
        across = self._inverse[:, gone]
        step = torch.linalg.solve(across[gone], across.T)  # [columns that go, D]
        self._weight.addmm_(self._weight[:, gone], step, alpha=-1)
        self._inverse.addmm_(across, step, alpha=-1)
        self._columns[gone] = self._spent
        self.labels = self.labels[~torch.isin(self.labels, labels)]
        stays = self._columns != self._spent
        if int(stays.sum()) < _CROWDED * len(stays):
            self._columns, self._weight = self._columns[stays], self._weight[:, stays]
            self._inverse = self._inverse[stays][:, stays]


def _inverse(hessian: Tensor) -> Tensor:
    """Return the inverse; where rounding has made the moments indefinite, of as little more as makes them definite."""
    more = 0.0
    while True:
        factor, failed = torch.linalg.cholesky_ex(hessian + more * torch.eye(len(hessian), dtype=hessian.dtype))
        if not failed:
            return torch.cholesky_inverse(factor)
        more = max(10 * more, 1e-8 * float(hessian.abs().max()))


def restricted(problem: Problem, keep: Tensor) -> Tensor:
    """Return the weight [1, O, D] of least loss whose columns are zero where `keep` [D] is False.

    Solved directly: all rows have the same columns, so one factorisation serves them all.
    """
    weight = torch.zeros_like(problem.right)
    hessian = problem.hessian[0].double()
    solved = torch.linalg.solve(hessian[keep][:, keep], problem.right[0].double()[:, keep].T)
    weight[0, :, keep] = solved.T.to(weight.dtype)
    return weight
