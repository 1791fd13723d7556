"""Random scores: the control of all others."""

from __future__ import annotations

from typing import final

import torch
from torch import Tensor

from workbench.reconstruction.problem import Problem
from workbench.reconstruction.supports import Score
from workbench.registry import scores


@scores.register
@final
class Random(Score):
    """A number from nowhere; what is zero already stays at the bottom."""

    name = "random"
    title = "random"
    paper = "Gale et al. 2019, https://arxiv.org/abs/1902.09574"

    @staticmethod
    def of(weight: Tensor, problem: Problem | None, noise: torch.Generator) -> Tensor:
        drawn = torch.rand(weight.shape, generator=noise).to(weight.device)
        return torch.where(weight == 0, 0.0, drawn)
