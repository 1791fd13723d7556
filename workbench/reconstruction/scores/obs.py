"""Optimal brain surgeon: what the loss rises by when a weight leaves and the others are refitted."""

from __future__ import annotations

from typing import final

import torch
from torch import Tensor

from workbench.reconstruction.problem import Problem
from workbench.reconstruction.supports import Score
from workbench.registry import scores


@scores.register
@final
class Obs(Score):
    """w^2 over the diagonal of the inverse Hessian, in units of its mean: it compares the weights of one layer."""

    name = "obs"
    title = "OBS (as in SparseGPT)"
    paper = "Hassibi and Stork 1993; Frantar and Alistarh 2023 (SparseGPT), https://arxiv.org/abs/2301.00774"
    looks = True

    @staticmethod
    def of(weight: Tensor, problem: Problem | None, noise: torch.Generator) -> Tensor:
        if problem is None:
            raise ValueError("this score looks at data, and was given none")
        inverse: Tensor = torch.linalg.inv(problem.hessian).diagonal(dim1=-2, dim2=-1)
        scores = weight.square() / inverse[:, None]
        return scores / scores.mean().clamp(min=torch.finfo(scores.dtype).tiny)
