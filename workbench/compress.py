"""Apply a recipe to a network."""

from __future__ import annotations

import dataclasses

from torch import nn

from workbench.context import Context, Progress
from workbench.network import clone
from workbench.recipe import Recipe


def compress(model: nn.Module, recipe: Recipe, ctx: Context) -> nn.Module:
    """Return a new network in evaluation mode, after each step of the recipe in turn; `model` is not touched."""
    result = clone(model).eval()
    for number, step in enumerate(recipe.steps):

        def report(progress: Progress, number: int = number) -> None:
            overall = (number + progress.fraction) / len(recipe.steps)
            ctx.report(dataclasses.replace(progress, fraction=overall))

        result = step.apply(result, dataclasses.replace(ctx, report=report)).eval()
    return result
