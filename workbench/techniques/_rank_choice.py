"""How many ranks each layer gets, and in which form."""

from __future__ import annotations

import heapq
from collections.abc import Mapping, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, order=True)
class Option:
    """One way to have a layer: what it costs, in parameters or multiply-adds, and which share of its outputs it loses.

    The form "" is the layer as it is.
    """

    cost: int
    error: float
    form: str = ""
    rank: int = 0


def best_within(options: Sequence[Option], cost: float) -> Option:
    """Return the option of least error at this cost or less; where all cost more, the cheapest."""
    within = [option for option in options if option.cost <= cost]
    return min(within, key=lambda option: (option.error, option.cost)) if within else min(options)


def cheapest_with(options: Sequence[Option], error: float) -> Option:
    """Return the cheapest option of this error or less; the layer as it is has none."""
    return min(option for option in options if option.error <= error)


def shared_out(options: Mapping[str, Sequence[Option]], budget: float) -> dict[str, Option]:
    """Return an option for each layer so that the sum of all errors is about the least that the budget allows.

    From the layers as they are, the step that costs the least error for what it saves comes first, along the lower
    convex hull of each layer's options (Fox 1966, https://doi.org/10.1287/opre.14.2.210); what the last step saved too
    much is spent again where it helps most. Where nothing is cheap enough, all get their cheapest option.
    """
    hulls = {name: _hull(found) for name, found in options.items()}
    at = dict.fromkeys(hulls, 0)
    spent = sum(hull[0].cost for hull in hulls.values())
    steps = [(_slope(hull[0], hull[1]), name) for name, hull in hulls.items() if len(hull) > 1]
    heapq.heapify(steps)
    while spent > budget and steps:
        _, name = heapq.heappop(steps)
        hull, here = hulls[name], at[name]
        spent -= hull[here].cost - hull[here + 1].cost
        at[name] = here + 1
        if here + 2 < len(hull):
            heapq.heappush(steps, (_slope(hull[here + 1], hull[here + 2]), name))
    chosen = {name: hull[at[name]] for name, hull in hulls.items()}
    while dearer := [
        (chosen[name].error - option.error, name, option)
        for name, found in options.items()
        for option in found
        if option.error < chosen[name].error and option.cost - chosen[name].cost <= budget - spent
    ]:
        _, name, option = max(dearer)
        spent += option.cost - chosen[name].cost
        chosen[name] = option
    return chosen


def _slope(dearer: Option, cheaper: Option) -> float:
    """Return the error that comes with each unit saved."""
    return (cheaper.error - dearer.error) / (dearer.cost - cheaper.cost)


def _hull(options: Sequence[Option]) -> list[Option]:
    """Return the options on the lower convex hull of error over cost, the dearest, which has the least error, first."""
    found: list[Option] = []
    least = float("inf")
    for option in sorted(options):  # from the cheapest on, as long as more cost buys less error
        if option.error >= least:
            continue
        least = option.error
        while len(found) > 1 and _slope(option, found[-1]) >= _slope(found[-1], found[-2]):
            found.pop()
        found.append(option)
    return found[::-1]
