"""Which weights stay, and what they have to be then: scores, and least squares on what a mask leaves."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import ClassVar

import torch
from torch import Tensor

from workbench.reconstruction.problem import Problem

ROUNDS = 8
"""In how many rounds a mask is found."""
STEPS = 20
"""Steps of conjugate gradients in each of them; the last has twice as many."""
_LARGE = 2**29
"""Products in one step from which on a layer gets a third of the rounds and of the steps: it has so many weights to
choose from that few rounds find as good a mask, and a step takes a second."""


class Score(ABC):
    """One way to say how much each weight of a layer matters. A subclass is final and registered by its name."""

    name: ClassVar[str]
    title: ClassVar[str]
    paper: ClassVar[str]
    looks: ClassVar[bool] = False
    """Whether it looks at what the layer reads, so that it needs calibration images."""

    @staticmethod
    @abstractmethod
    def of(weight: Tensor, problem: Problem | None, noise: torch.Generator) -> Tensor:
        """Return scores [G, O, D] of weights [G, O, D]; `problem` is there where the score looks."""


def lowest(scores: Tensor, drop: int) -> Tensor:
    """Return a mask of the scores' shape that is False for the `drop` lowest; of equal ones the earlier drop."""
    keep = torch.ones(scores.numel(), dtype=torch.bool, device=scores.device)
    keep[scores.flatten().argsort(stable=True)[:drop]] = False
    return keep.view_as(scores)


def refit(problem: Problem, keep: Tensor, start: Tensor, steps: int = 20) -> Tensor:
    """Return the weight [G, O, D] of least loss that is zero where `keep` is False.

    Conjugate gradients with Jacobi preconditioning (Hestenes and Stiefel 1952,
    https://doi.org/10.6028/jres.049.044), on all rows at once, from `start`. Each step lowers the loss, so that it may
    stop at any.
    """
    mask = keep.to(start.dtype)
    diagonal = problem.hessian.diagonal(dim1=-2, dim2=-1)[:, None, :]
    tiny = torch.finfo(start.dtype).tiny
    found = start * mask
    residual = ((problem.best - found) @ problem.hessian) * mask
    scaled = residual / diagonal
    direction, slope = scaled, (residual * scaled).sum(-1, keepdim=True)
    for _ in range(steps):
        turned = (direction @ problem.hessian) * mask
        curvature = (direction * turned).sum(-1, keepdim=True)
        # of inputs that never change, moments are rounding noise: along it there may be no way down
        length = torch.where(curvature > tiny, slope / curvature.clamp(min=tiny), 0.0)
        found = found + length * direction
        residual = residual - length * turned
        scaled = residual / diagonal
        before, slope = slope, (residual * scaled).sum(-1, keepdim=True)
        direction = scaled + slope / before.clamp(min=tiny) * direction
    return found


def in_rounds(problem: Problem, weight: Tensor, keep: Tensor, drop: int) -> tuple[Tensor, Tensor]:
    """Return weight and mask [G, O, D] after `drop` more weights have left, a part in each round, with a refit between.

    Of what a refit has made of the weights, the smallest leave next: what others can stand in for has shrunk by then.
    Most leave in the first rounds, the critical ones in the last (the cubic schedule of Zhu and Gupta 2017,
    https://arxiv.org/abs/1710.01878).
    """
    large = weight.numel() * weight.shape[-1] > _LARGE
    rounds, steps = (ROUNDS // 3 + 1, STEPS // 3) if large else (ROUNDS, STEPS)
    gone = int((~keep).sum())
    for number in range(1, rounds + 1):
        out = gone + round(drop * (1 - (1 - number / rounds) ** 3))
        keep = lowest(torch.where(keep, weight.abs(), -1.0), out)
        weight = refit(problem, keep, weight, 2 * steps if number == rounds else steps)
    return weight, keep
