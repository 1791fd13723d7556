"""The network of full width that does without some channels as well as least squares can make it."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from workbench.context import Context
from workbench.network import Layer, layers, weight_format
from workbench.reconstruction import patches
from workbench.reconstruction.problem import Problem
from workbench.reconstruction.sequence import Calibration, walk
from workbench.reconstruction.supports import refit
from workbench.techniques._channel_elimination import restricted
from workbench.techniques._channel_labels import Labelling
from workbench.techniques._channel_readers import columns
from workbench.techniques._notes import listed

_STEPS = 40
"""Of conjugate gradients, where a mask leaves each row weights of its own."""


def refitted(model: nn.Module, labelling: Labelling, keep: Tensor, ctx: Context, look: Calibration) -> nn.Module:
    """Return a copy of full width in which no layer reads a channel whose label is not kept (bool [labels]).

    Each layer in turn is solved for the outputs that it had in the reference, from what it now reads; also those that
    lose nothing, since they read what others have lost (He et al. 2017, https://arxiv.org/abs/1707.06168, solve one
    layer after the other in the same way). Pruned weights stay pruned. Weights on a grid stay as they are.
    """
    if held := [name for name, layer in layers(model).items() if weight_format(layer).grid is not None]:
        ctx.note(f"channel pruning does not refit weights that are held to a grid: {listed(held)}")

    def solve(name: str, layer: Layer, problem: Problem) -> Tensor:
        of = columns(labelling, name, layer)
        stays = torch.ones(problem.right.shape[-1], dtype=torch.bool) if of is None else keep[of]
        form = weight_format(layer)
        rows = patches.as_rows(layer, layer.weight.float())
        if form.grid is not None:
            rows = rows * stays
        elif form.mask is not None:
            rows = refit(problem, patches.as_rows(layer, form.mask) & stays, rows, _STEPS)
        else:
            rows = problem.best if stays.all() else restricted(problem, stays)
        return rows.reshape(layer.weight.shape)

    return walk(model, ctx, solve, look)
