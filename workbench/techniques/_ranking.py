"""What matters least: scores of weights and channels, and the masks that drop the lowest of them."""

from __future__ import annotations

import torch
from torch import Tensor


def lamp(weight: Tensor) -> Tensor:
    """Return LAMP scores of a weight's shape: w^2 over the sum of the squares that are not smaller.

    Equal magnitudes are ordered by position. The largest weight of a layer has the score 1; zeros have the score 0
    (Lee et al. 2021, https://arxiv.org/abs/2010.07611).
    """
    squares, order = weight.detach().flatten().square().sort(stable=True)
    remaining = squares.flip(0).cumsum(0).flip(0)
    scores = torch.empty_like(squares)
    scores[order] = squares / remaining.clamp(min=torch.finfo(squares.dtype).tiny)
    return scores.view_as(weight)


def without_lowest(score: Tensor, drop: int) -> Tensor:
    """Return a mask of the shape of the scores that is False for the `drop` lowest; of equal ones the earlier drop."""
    keep = torch.ones(score.numel(), dtype=torch.bool, device=score.device)
    keep[score.flatten().argsort(stable=True)[:drop]] = False
    return keep.view_as(score)
