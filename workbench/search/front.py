"""Fronts of cost and accuracy, and how much they cover: what two searches are compared by.

Less cost and more accuracy are better. A point beats another that is no better in either, and worse in one.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from typing import TypeVar

from torch import Tensor

T = TypeVar("T")


def front(items: Iterable[T], point: Callable[[T], tuple[float, float]]) -> tuple[T, ...]:
    """Return the items that none beats by their cost and accuracy, the cheapest first; of equal ones the first."""
    found: list[T] = []
    best = -math.inf
    for item in sorted(items, key=lambda item: (point(item)[0], -point(item)[1])):
        if point(item)[1] > best:
            found.append(item)
            best = point(item)[1]
    return tuple(found)


def hypervolume(costs: Tensor, accuracies: Tensor, cheapest: float, dearest: float) -> Tensor:
    """Return the mean over budgets of the best accuracy within the budget [B], for accuracies [B, C] at costs [C].

    Budgets lie between two costs on a logarithmic axis, since networks differ by factors; within a budget that no
    network keeps, the accuracy is 0. It is the hypervolume (Zitzler & Thiele 1999, https://doi.org/10.1109/4235.797969)
    of accuracy and the logarithm of the cost, as a share of the whole area. Where both ends are one, it is the best
    accuracy at that cost.
    """
    if dearest <= cheapest:
        inside = costs <= dearest
        return accuracies[:, inside].amax(1) if bool(inside.any()) else accuracies.new_zeros(len(accuracies))
    order = costs.argsort()
    best = accuracies[:, order].cummax(1).values
    places = costs[order].clamp(cheapest, dearest).log()
    widths = places.diff(append=places.new_tensor([math.log(dearest)]))
    return (best * widths).sum(1) / math.log(dearest / cheapest)
