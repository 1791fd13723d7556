"""N of each M weights: masks of that pattern, and the weights that lose least under it.

Weights are rows [G, O, D] as in `reconstruction.patches`. Their groups are flat positions in a row [D / M, M]: each is
one kernel position of M consecutive input channels.
"""

from __future__ import annotations

import itertools
import math

import torch
from torch import Tensor

from workbench.network import Layer
from workbench.reconstruction.problem import Problem
from workbench.reconstruction.supports import refit

_SWEEPS = 2
"""On ResNet-20 further ones lower the losses by some percent, and change no accuracy."""
_MOST = 500
"""Patterns of a group that are compared one by one: enough for all up to M = 8; wider ones go without sweeps."""


def along_channels(layer: Layer, m: int) -> Tensor:
    """Return the groups of a layer [D / M, M] as flat positions in its rows; M must divide its input channels."""
    inputs = layer.weight.shape[1]
    return torch.arange(layer.weight[0].numel(), device=layer.weight.device).view(inputs, -1).T.reshape(-1, m)


def largest(scores: Tensor, groups: Tensor, n: int) -> Tensor:
    """Return a mask of the scores' shape that keeps the n highest in each group; of equal ones the earlier stay."""
    order = scores[..., groups].argsort(dim=-1, descending=True, stable=True)[..., :n]
    chosen = groups.expand(*scores.shape[:2], -1, -1).gather(-1, order)
    return torch.zeros_like(scores, dtype=torch.bool).scatter_(-1, chosen.flatten(-2), True)


def solved(problem: Problem, weight: Tensor, held: Tensor, groups: Tensor, n: int) -> tuple[Tensor, Tensor]:
    """Return weight and mask of little loss with n weights in each group, none where `held` is False.

    The smallest weight of each group leaves, the others are refitted by least squares, and so on until n stay. Then
    the groups are gone through one by one: each gets the pattern and the weights of least loss, all other weights as
    they are, with a refit of all after each sweep. No step raises the loss.
    """
    keep = held
    for count in range(groups.shape[1] - 1, n - 1, -1):
        keep = largest(torch.where(held, weight.abs(), -1.0), groups, count) & held
        weight = refit(problem, keep, weight)
    if math.comb(groups.shape[1], n) <= _MOST:
        for _ in range(_SWEEPS):
            weight, keep = swept(problem, weight, keep, held, groups, n)
            weight = refit(problem, keep, weight)
    return weight, keep


def swept(
    problem: Problem, weight: Tensor, keep: Tensor, held: Tensor, groups: Tensor, n: int
) -> tuple[Tensor, Tensor]:
    """Return weight and mask after each group in turn was given its best pattern, all others as they are.

    Within a group the loss is a quadratic form, the same for all rows, so all patterns are solved for exactly: with
    the linear term c, the pattern P lowers the loss by `c_P^T H_PP^-1 c_P`. Groups in which `held` forbids a weight
    stay as they are.
    """
    hessian, weight, keep = problem.hessian, weight.clone(), keep.clone()
    patterns = torch.tensor(list(itertools.combinations(range(groups.shape[1]), n)), device=weight.device)
    gradient = (weight - problem.best) @ hessian
    for group in groups:
        rows = hessian[:, group]  # [G, M, D]
        square = rows[..., group]
        inverses = torch.linalg.inv(square[:, patterns[:, :, None], patterns[:, None, :]])  # [G, P, n, n]
        old = weight[..., group]
        linear = (old @ square - gradient[..., group])[..., patterns]  # [G, O, P, n]
        values = torch.einsum("gopi,gpij->gopj", linear, inverses)
        best = (values * linear).sum(-1).argmax(-1)
        picked = values.gather(2, best[..., None, None].expand(*best.shape, 1, n)).squeeze(2)
        free = held[..., group].all(-1, keepdim=True)
        new = torch.where(free, torch.zeros_like(old).scatter_(-1, patterns[best], picked), old)
        mask = torch.zeros_like(old, dtype=torch.bool).scatter_(-1, patterns[best], True)
        gradient += (new - old) @ rows
        weight[..., group] = new
        keep[..., group] = torch.where(free, mask, keep[..., group])
    return weight, keep
