"""How many channels of each group leave: by one order over all groups, or each group by a share of its own."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence

import torch
from torch import Tensor

from workbench.techniques._channel_groups import Structure
from workbench.techniques._channel_ranking import Ranking
from workbench.techniques._channel_work import Work


def cheapest_first(rankings: Sequence[Ranking], work: Work | None = None) -> Iterator[int]:
    """Yield labels of all groups in the order in which they should leave; a tenth of each group stays, rounded up.

    The next is the cheapest of those that are next in their groups: per channel, or, where the `work` is given, per
    multiply-add that it saves. Ties go by position.
    """
    keep = torch.ones(1 if work is None else work.count, dtype=torch.bool)
    queues = [
        list(zip(ranking.labels.tolist(), ranking.costs.tolist(), strict=True))[
            : len(ranking.labels) - math.ceil(len(ranking.labels) / 10)
        ][::-1]
        for ranking in rankings
    ]
    while queues := [queue for queue in queues if queue]:
        heads = torch.tensor([queue[-1][0] for queue in queues])
        prices = torch.tensor([queue[-1][1] for queue in queues], dtype=torch.float64)
        if work is not None:
            prices = prices / work.saved(keep, heads).clamp(min=1)
        label, _ = queues[int(prices.argmin())].pop()
        if work is not None:
            keep[label] = False
        yield label


def evenly(rankings: Sequence[Ranking]) -> Iterator[int]:
    """Yield labels so that all groups lose the same share at any time; one of each group stays."""
    places = [
        ((place + 0.5) / len(ranking.labels), label)
        for ranking in rankings
        for place, label in enumerate(ranking.labels[:-1].tolist())
    ]
    yield from (label for _, label in sorted(places, key=lambda place: place[0]))


def leave_by_share_(keep: Tensor, ranking: Ranking, ratio: float) -> None:
    """Drop a share of a group from the labels that are kept, in place; one stays."""
    keep[ranking.labels[: min(round(ratio * len(ranking.labels)), len(ranking.labels) - 1)]] = False


def leave_by_count_(keep: Tensor, order: Iterator[int], count: int) -> None:
    """Drop the first labels of an order from those that are kept, in place."""
    for label, _ in zip(order, range(count), strict=False):
        keep[label] = False


def leave_by_work_(keep: Tensor, order: Iterator[int], cost: Callable[[Tensor], float], goal: float) -> None:
    """Drop labels in order, in place, until what a choice costs is as near to the goal as whole channels allow."""
    now = cost(keep)
    for label in order:
        if now <= goal:
            return
        keep[label] = False
        then = cost(keep)
        if goal - then > now - goal:
            keep[label] = True
            return
        now = then


def snap_(keep: Tensor, rankings: Sequence[Ranking], found: Structure, multiple: int) -> None:
    """Keep more of the best, in place, until the width of each layer is a multiple, or nothing of it is dropped."""
    for group, ranking in zip(found.groups, rankings, strict=True):
        outs = [found.labelling.ports[name].out for name in group.layers]
        best_first = ranking.labels.flip(0)
        for label in best_first[~keep[best_first]].tolist():
            if all(int(keep[out].sum()) % multiple == 0 for out in outs):
                break
            keep[label] = True
