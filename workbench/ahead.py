"""Slider positions that are solved before anybody drags to them."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Iterator
from dataclasses import dataclass

from workbench.compress import compress
from workbench.context import Report, ignore
from workbench.errors import Refused
from workbench.recipe import Recipe, Step
from workbench.registry import techniques
from workbench.result import Job
from workbench.run import prepare


@dataclass(frozen=True, kw_only=True)
class Ahead:
    """How far the preparing of slider positions has come."""

    done: int
    of: int
    trace_bytes: int
    """What the traces of this network take in memory."""


def prepare_ahead(job: Job, *, report: Report = ignore, user_code: bool = True) -> Iterator[Ahead]:
    """Solve the positions that a person may drag to next, the nearest first, until memory for traces is used up.

    They are those of `Step.positions`, one step of the recipe moved at a time; of a recipe without sliders to prepare,
    those of each technique that has some. Yields before each position and at the end.
    """
    prepared = prepare(job, report=report, user_code=user_code)
    ctx = dataclasses.replace(prepared.context, report=report)
    recipes, before = recipes_ahead(job.recipe), ctx.traces.added
    for number, recipe in enumerate(recipes):
        yield Ahead(done=number, of=len(recipes), trace_bytes=ctx.traces.weight)
        if ctx.traces.added - before > 0.9 * ctx.traces.limit:
            return  # more would push out what was just prepared
        try:
            compress(prepared.model, recipe, dataclasses.replace(ctx, notes=[], provisional=[]))
        except Refused:
            return  # who drags there is told why
    yield Ahead(done=len(recipes), of=len(recipes), trace_bytes=ctx.traces.weight)


def recipes_ahead(recipe: Recipe) -> list[Recipe]:
    """Return the recipes that are worth solving next, the first ones first."""
    steps = tuple(step for step in recipe.steps if not step.trains)
    if not any(step.slider for step in steps):
        kinds = [technique() for technique in techniques if technique.slider]
        moved = [[Recipe((*steps, step)) for step in _positions(kind, nearest=False)] for kind in kinds]
    else:
        moved = [
            [Recipe((*steps[:at], other, *steps[at + 1 :])) for other in _positions(step, nearest=True)]
            for at, step in enumerate(steps)
            if step.slider
        ]
    turns = itertools.zip_longest(*moved)
    return [recipe for turn in turns for recipe in turn if recipe is not None]


def _positions(step: Step, *, nearest: bool) -> list[Step]:
    """Return a step at its prepared positions: those near to where it stands first, or those tried first."""
    value = getattr(step, step.slider)
    order = sorted(step.positions, key=lambda position: abs(position - value)) if nearest else step.positions
    return [dataclasses.replace(step, **{step.slider: position}) for position in order]
