"""Relative magnitude: how much of the output of its layer a weight of average input makes."""

from __future__ import annotations

from typing import final

import torch
from torch import Tensor

from workbench.reconstruction.problem import Problem
from workbench.reconstruction.supports import Score
from workbench.registry import scores


@scores.register
@final
class Relative(Score):
    """|w| times the root mean square of what the layer reads, over that of what it puts out."""

    name = "relative"
    title = "relative magnitude"
    paper = "magnitude as in Han et al. 2015, https://arxiv.org/abs/1506.02626, in units of the layer's output"
    looks = True

    @staticmethod
    def of(weight: Tensor, problem: Problem | None, noise: torch.Generator) -> Tensor:
        if problem is None:
            raise ValueError("this score looks at data, and was given none")
        read = problem.power_x.mean().sqrt()
        return weight.abs() * (read / problem.variance_y.mean().sqrt().clamp(min=1e-12))
