"""In which order the channels of each group should leave, and what each of them costs."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from workbench.context import Context, Progress
from workbench.reconstruction.problem import Problem
from workbench.reconstruction.scores.lamp import lamp
from workbench.reconstruction.sequence import Calibration
from workbench.techniques._channel_elimination import Elimination
from workbench.techniques._channel_groups import Group, Structure
from workbench.techniques._channel_readers import problems, readers
from workbench.techniques._channel_sensitivity import sensitivities
from workbench.techniques._channel_surgery import norms
from workbench.techniques._channel_work import Work

_AT_ONCE = 64
"""One channel in so many leaves before costs are counted anew: one at a time in groups of up to twice as many."""


@dataclass(frozen=True)
class Ranking:
    """All channels of one group, those that should leave first in front."""

    labels: Tensor
    """int64 [K]."""
    costs: Tensor
    """float64 [K]: what each costs when those before it have left; comparable between groups."""


def by_scores(group: Group, scores: Tensor) -> Ranking:
    """Return the ranking of a group by scores [K] in the order of its labels; LAMP makes groups comparable."""
    order = scores.argsort(stable=True)
    return Ranking(group.labels[order], lamp(scores)[order].double())


def by_chance(found: Structure, name: str, ctx: Context) -> list[Ranking]:
    """Return random rankings, which depend on the seed alone."""
    return [
        by_scores(group, torch.rand(len(group.labels), generator=ctx.generator(name, *group.layers)))
        for group in found.groups
    ]


def by_magnitude(model: nn.Module, found: Structure) -> list[Ranking]:
    """Return rankings by the norm of all that leaves with a channel."""
    every = norms(model, found.labelling.ports, found.labelling.count)
    return [by_scores(group, every[group.labels]) for group in found.groups]


def by_reconstruction(
    model: nn.Module, found: Structure, work: Work, ctx: Context, look: Calibration
) -> tuple[list[Ranking], list[str]]:
    """Return rankings by how far the network's scores move, as a mean square, when a channel leaves and others make up.

    Where one of the layers that read a group cannot be refitted, the group is ranked by magnitude, and all its channels
    together cost as much as those of the mean group; the layers of such groups are returned beside the rankings.
    """
    columns = readers(model, found.labelling, found.groups)
    known = problems(model, ctx, columns, look)
    plain = by_magnitude(model, found)
    solvable = [
        all(name in known for name, of in columns.items() if torch.isin(of, group.labels).any())
        for group in found.groups
    ]
    blind = [name for group, can in zip(found.groups, solvable, strict=True) if not can for name in group.layers]
    groups = [group for group, can in zip(found.groups, solvable, strict=True) if can]
    if not groups:
        return plain, blind
    able = torch.cat([group.labels for group in groups])
    known = {name: problem for name, problem in known.items() if torch.isin(columns[name], able).any()}
    weights = sensitivities(model, ctx, known, columns, able)
    ranked = iter(_greedy(groups, known, columns, weights, work, ctx))
    every = [next(ranked) if can else None for can in solvable]
    mean = sum(float(ranking.costs[:-1].sum()) for ranking in every if ranking) / len(groups)
    rankings = [
        ranking or Ranking(simple.labels, _shares(model, found, simple) * mean)
        for ranking, simple in zip(every, plain, strict=True)
    ]
    return rankings, blind


def _shares(model: nn.Module, found: Structure, simple: Ranking) -> Tensor:
    squares = norms(model, found.labelling.ports, found.labelling.count)[simple.labels].double().square()
    return squares / squares.sum().clamp(min=torch.finfo(torch.float64).tiny)


def _greedy(
    groups: Sequence[Group],
    known: Mapping[str, Problem],
    columns: Mapping[str, Tensor],
    weights: Mapping[str, float],
    work: Work,
    ctx: Context,
) -> list[Ranking]:
    """Return the groups' rankings, found by always taking the channel that costs least per multiply-add saved."""
    able = torch.cat([group.labels for group in groups])
    home = torch.full((work.count,), -1)
    for number, group in enumerate(groups):
        home[group.labels] = number
    losing = {name: Elimination(problem, columns[name], able) for name, problem in known.items()}
    costs = {name: weights[name] * losing[name].costs() for name in losing}
    every = torch.ones(work.count, dtype=torch.bool)
    per = work.saved(every, torch.arange(work.count)).clamp(min=1)
    read_by: dict[int, list[str]] = {}
    for name, layer in losing.items():
        for label in layer.labels.tolist():
            read_by.setdefault(label, []).append(name)
    order: list[list[int]] = [[] for _ in groups]
    paid: list[list[float]] = [[] for _ in groups]
    total = torch.zeros(work.count, dtype=torch.float64)
    for name, cost in costs.items():
        total[losing[name].labels] += cost
    open_ = torch.zeros(work.count, dtype=torch.bool)
    open_[able] = True
    while open_.any():
        first = int((total / per).masked_fill(~open_, math.inf).argmin())
        number = int(home[first])
        mine = groups[number].labels[open_[groups[number].labels]]
        together = min(max(1, len(mine) // _AT_ONCE), len(mine) - 1)
        gone = mine[(total[mine] / per[mine]).argsort(stable=True)[:together]]
        order[number].extend(gone.tolist())
        paid[number].extend(total[gone].tolist())
        open_[gone] = False
        if len(mine) - together == 1:  # the last one stays
            open_[mine] = False
        ctx.report(Progress(1 - int(open_.sum()) / len(able), "which channels matter least"))
        for name in dict.fromkeys(name for label in gone.tolist() for name in read_by.get(label, [])):
            layer = losing[name]
            total[layer.labels] -= costs[name]
            layer.remove_(gone)
            costs[name] = weights[name] * layer.costs()
            total[layer.labels] += costs[name]
    rankings = []
    for group, labels, prices in zip(groups, order, paid, strict=True):
        last = group.labels[~torch.isin(group.labels, torch.tensor(labels))]
        rankings.append(Ranking(torch.cat([torch.tensor(labels), last]), torch.tensor([*prices, math.inf]).double()))
    return rankings
