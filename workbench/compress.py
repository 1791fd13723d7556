"""Apply a recipe to a network."""

from __future__ import annotations

import dataclasses

from torch import nn

from workbench.context import Context, Progress, fingerprint
from workbench.network import clone
from workbench.recipe import Recipe, digest


def compress(model: nn.Module, recipe: Recipe, ctx: Context) -> nn.Module:
    """Return a new network in evaluation mode, after each step of the recipe in turn; `model` is not touched."""
    result = clone(model).eval()
    key, outer = ctx.key_of(model), ctx.report
    for number, step in enumerate(recipe.steps):

        def report(progress: Progress, number: int = number) -> None:
            overall = (number + progress.fraction) / len(recipe.steps)
            outer(dataclasses.replace(progress, fraction=overall))

        told = len(ctx.provisional)
        result = step.apply(result, dataclasses.replace(ctx, report=report, named=(result, key))).eval()
        # a quick answer depends on what happens to be prepared: only its weights name it
        quick = len(ctx.provisional) > told
        key = fingerprint(result) if quick else digest([key, step.to_dict(), ctx.reference_key, ctx.seed])
        if not step.approximates:  # later steps have nothing better to imitate than what this one made
            ctx = dataclasses.replace(ctx, reference=result, reference_key=f"{key}/{ctx.original_key}")
    return result
