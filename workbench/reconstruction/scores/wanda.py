"""Wanda: a weight matters as much as it is large and what it reads is large."""

from __future__ import annotations

from typing import final

import torch
from torch import Tensor

from workbench.reconstruction.problem import Problem
from workbench.reconstruction.supports import Score
from workbench.registry import scores


@scores.register
@final
class Wanda(Score):
    """|w| times the root mean square of its own input, compared within each output."""

    name = "wanda"
    title = "Wanda"
    paper = "Sun et al. 2023, https://arxiv.org/abs/2306.11695"
    looks = True

    @staticmethod
    def of(weight: Tensor, problem: Problem | None, noise: torch.Generator) -> Tensor:
        if problem is None:
            raise ValueError("this score looks at data, and was given none")
        scores = weight.abs() * problem.power_x.sqrt()[:, None]
        return scores / scores.mean(-1, keepdim=True).clamp(min=torch.finfo(scores.dtype).tiny)
