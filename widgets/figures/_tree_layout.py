"""A tidy tree of recipes: every beginning of every recipe has a place, and no two places meet."""

from __future__ import annotations

import itertools
import json
import math
from collections.abc import Iterable
from dataclasses import dataclass

from workbench.recipe import Step

Path = tuple[Step, ...]


@dataclass(frozen=True, kw_only=True)
class Place:
    """Where a node lies."""

    path: Path
    x: int
    y: float
    parent: int


def layout(paths: Iterable[Path]) -> tuple[Place, ...]:
    """Return the tree of all beginnings of some paths: leaves at 0, 1, 2, ..., the others in the middle of theirs.

    Nodes of one depth are at least 1 apart, since their leaves are. Siblings are in the order of techniques, and then
    of their settings.
    """
    every = {path[:length] for path in paths for length in range(len(path) + 1)}
    ordered = sorted(every, key=lambda path: [_rank(step) for step in path])
    index = {path: number for number, path in enumerate(ordered)}
    parents = [index[path[:-1]] if path else -1 for path in ordered]
    leaf = [len(after) <= len(before) for before, after in itertools.pairwise((*ordered, ()))]
    leaves = itertools.count()
    ys = [float(next(leaves)) if is_leaf else 0.0 for is_leaf in leaf]
    spans = [(math.inf, -math.inf)] * len(ordered)
    for number in reversed(range(len(ordered))):  # children come after their parents, so they have their places already
        if not leaf[number]:
            ys[number] = sum(spans[number]) / 2
        if (parent := parents[number]) >= 0:
            low, high = spans[parent]
            spans[parent] = (min(low, ys[number]), max(high, ys[number]))
    return tuple(
        Place(path=path, x=len(path), y=y, parent=parent) for path, y, parent in zip(ordered, ys, parents, strict=True)
    )


def _rank(step: Step) -> tuple[int, str, tuple[float, ...], str]:
    values = [getattr(step, field.name) for field in step.fields()]
    numbers = tuple(float(value) for value in values if isinstance(value, int | float))
    return step.order, step.name, numbers, json.dumps(step.to_dict(), sort_keys=True)
