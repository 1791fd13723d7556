"""Magnitude: large weights matter."""

from __future__ import annotations

from typing import final

import torch
from torch import Tensor

from workbench.reconstruction.problem import Problem
from workbench.reconstruction.supports import Score
from workbench.registry import scores


@scores.register
@final
class Magnitude(Score):
    """The size of a weight."""

    name = "magnitude"
    title = "magnitude"
    paper = "Han et al. 2015, https://arxiv.org/abs/1506.02626"

    @staticmethod
    def of(weight: Tensor, problem: Problem | None, noise: torch.Generator) -> Tensor:
        return weight.abs()
