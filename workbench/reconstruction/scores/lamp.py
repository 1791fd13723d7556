"""LAMP: magnitudes that can be compared between layers."""

from __future__ import annotations

from typing import final

import torch
from torch import Tensor

from workbench.reconstruction.problem import Problem
from workbench.reconstruction.supports import Score
from workbench.registry import scores


@scores.register
@final
class Lamp(Score):
    """w^2 over the sum of the squares that are not smaller: no layer is ever emptied by one threshold for all."""

    name = "lamp"
    title = "LAMP"
    paper = "Lee et al. 2021, https://arxiv.org/abs/2010.07611"

    @staticmethod
    def of(weight: Tensor, problem: Problem | None, noise: torch.Generator) -> Tensor:
        return lamp(weight)


def lamp(weight: Tensor) -> Tensor:
    """Return LAMP scores of a weight's shape.

    Equal magnitudes are ordered by position. The largest weight of a layer has the score 1; zeros have the score 0.
    """
    squares, order = weight.detach().flatten().square().sort(stable=True)
    remaining = squares.flip(0).cumsum(0).flip(0)
    scores = torch.empty_like(squares)
    scores[order] = squares / remaining.clamp(min=torch.finfo(squares.dtype).tiny)
    return scores.view_as(weight)
