"""AdaRound: learn for each weight whether it is rounded up or down."""

from __future__ import annotations

from typing import final

import torch
from torch import Tensor

from workbench.grid import Grid
from workbench.reconstruction.rounding import Rounding, Rows, snapped, wide
from workbench.reconstruction.roundings.clip import clipped
from workbench.registry import roundings

_STEPS = 120
_LOW, _HIGH = -0.1, 1.1
"""Between these the rectified sigmoid is stretched, so that it reaches 0 and 1 (Louizos et al. 2018)."""


@roundings.register
@final
class AdaRound(Rounding):
    """Gradient descent on the share by which each weight is rounded up, pressed towards 0 and 1, in a few steps.

    The paper takes 10,000 steps on batches of data; here it is 120 on the second moments of all of them.
    """

    name = "adaround"
    title = "AdaRound, few steps"
    paper = "Nagel et al. 2020, https://arxiv.org/abs/2004.10568"
    looks = True

    @staticmethod
    def round(rows: Rows) -> tuple[Tensor, Grid]:
        grid = clipped(rows)
        if rows.spec.bits == 1:
            return snapped(rows, grid), grid
        scale, zero = wide(grid, rows)
        lowest, highest = rows.spec.lowest - zero, rows.spec.highest - zero
        target = rows.reads.best * rows.keep
        floor = (target / scale).floor()
        share = (target / scale - floor).clamp(0.01, 0.99)
        raw = torch.logit((share - _LOW) / (_HIGH - _LOW))
        size = rows.reads.loss(torch.zeros_like(target)).mean().clamp(min=1e-12)
        with torch.enable_grad():
            raw = raw.clone().requires_grad_()
            optimizer = torch.optim.Adam([raw], lr=0.05)
            for step in range(_STEPS):
                up = _stretched(raw)
                weight = torch.clamp(floor + up, lowest, highest) * scale * rows.keep
                press = max(0.0, step / _STEPS - 0.2)  # free at first, then towards 0 and 1
                settled = (1 - (2 * up - 1).abs().pow(2 + 18 * (1 - step / _STEPS))).mean()
                loss = rows.reads.loss(weight).mean() / size + press * settled
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
        code = torch.clamp(floor + (_stretched(raw.detach()) >= 0.5), lowest, highest)
        return code * scale * rows.keep, grid


def _stretched(raw: Tensor) -> Tensor:
    return (torch.sigmoid(raw) * (_HIGH - _LOW) + _LOW).clamp(0, 1)
