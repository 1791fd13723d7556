"""The front of Pareto: what is left when everything that something else beats is taken away."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TypeVar

from workbench.result import Result, Status

T = TypeVar("T")


def unbeaten(items: Iterable[T], measure: Callable[[T], tuple[float, float]]) -> tuple[T, ...]:
    """Return the items that none beats, by their cost and their worth, from cheap to dear.

    One beats another if it costs at most as much and is worth more, or costs less and is worth as much. Of items that
    are equal in both, the first is kept; one whose numbers are NaN is beaten by anything.
    """
    measured = [(item, *measure(item)) for item in items]
    numbers = [found for found in measured if found[1] == found[1] and found[2] == found[2]]
    front: list[tuple[T, float, float]] = []
    for found in sorted(numbers, key=lambda found: (found[1], -found[2])):
        if not front or found[2] > front[-1][2]:
            front.append(found)
    return tuple(item for item, _, _ in front)


def front(rows: Iterable[Result], cost: str = "size_bytes", worth: str = "accuracy") -> tuple[Result, ...]:
    """Return the rows that none beats, from small to large.

    Rows that failed, that lack one of the two numbers or that are a control do not take part.
    """
    fit = [
        row
        for row in rows
        if row.status is Status.OK and {cost, worth} <= {*row.estimates} and not row.job.recipe.is_control
    ]
    return unbeaten(fit, lambda row: (row.estimates[cost].value, row.estimates[worth].value))
