"""The multiple-choice knapsack: of each class one item, so that the losses have the least sum within the limits.

Any number of costs, all of which add up over the classes. The answer is exact:

1. Lagrange multipliers, by projected subgradients, give a bound from below for the whole and for each item; a greedy
   choice, improved by exchanges, gives a first answer.
2. Items that cannot be part of a better answer leave (Sinha and Zoltners 1979,
   https://doi.org/10.1287/opre.27.3.503).
3. Dynamic programming over lists of partial answers: class after class, those that another one dominates leave, and
   those whose bound is no better than the answer known so far (Dyer, Kayal and Walsh 1984,
   https://doi.org/10.1016/0377-2217(84)90131-1, kept to lists instead of a tree).

The third step runs several times, first with short lists, of which only the most promising partial answers go on: a
better answer lets more items leave. Where even the longest lists are cut, the bound says by how much the answer may
miss the best one. Ties go to the smaller first cost, then to the earlier item.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from workbench.errors import Refused

Floats = NDArray[np.float64]

_LENGTHS = (300, 5_000, 200_000)
"""Partial answers that are kept at the most, in each turn."""
_SEVERAL = (300, 2_000)
"""The same with several limits, where few partial answers dominate another: then what is cut off is in the bound."""
_RIVALS = 256
"""Partial answers that all others are compared with, where there are several limits."""
_STEPS = 200
"""Subgradient steps, with more than one limit; one limit has an exact multiplier."""
_TINY = 1e-12


@dataclass(frozen=True, kw_only=True)
class Item:
    """One way to have a class."""

    loss: float
    costs: tuple[float, ...]
    """As many as there are limits."""


@dataclass(frozen=True, kw_only=True)
class Answer:
    """The best choice, or how far the limits are from one."""

    picks: tuple[int, ...] | None
    """The number of the item of each class; None where no choice keeps to the limits."""
    loss: float
    bound: float
    """No choice within the limits loses less."""
    costs: tuple[float, ...]
    """Of the choice; where there is none, the least that each cost can be by itself."""

    @property
    def gap(self) -> float:
        """How much less a better choice might lose: zero where this one is proved to be the best."""
        return self.loss - self.bound


@dataclass(frozen=True)
class _Class:
    """The items of a class that are still in play."""

    losses: Floats
    costs: Floats
    """[items, limits]."""
    numbers: NDArray[np.int64]
    """What they were called by who asked."""

    def only(self, keep: NDArray[np.bool_] | NDArray[np.int64]) -> _Class:
        return _Class(self.losses[keep], self.costs[keep], self.numbers[keep])


def solve(classes: Sequence[Sequence[Item]], limits: Sequence[float]) -> Answer:
    """Return one item of each class, of least loss within the limits. Raises `Refused` for what is no such problem."""
    found = [_undominated(_read(number, items, len(limits))) for number, items in enumerate(classes)]
    roof = np.asarray([float(limit) for limit in limits])
    if np.isnan(roof).any():
        raise Refused("a limit must be a number, got NaN")
    if not len(roof):
        picks = [int(c.losses.argmin()) for c in found]
        loss = _loss(found, picks)
        named = tuple(int(c.numbers[pick]) for c, pick in zip(found, picks, strict=True))
        return Answer(picks=named, loss=loss, bound=loss, costs=())
    least = sum((c.costs.min(0) for c in found), np.zeros(len(roof)))
    if (least > roof + _slack(roof)).any():
        return Answer(picks=None, loss=math.inf, bound=math.inf, costs=tuple(map(float, least)))
    prices = _prices(found, roof)
    start = _greedy(found, roof, prices)
    best = math.inf if start is None else _loss(found, start)
    chosen, bound = start, -math.inf
    for most in _LENGTHS if len(roof) < 2 else _SEVERAL:
        found, chosen = _fixed(found, roof, prices, best, chosen)
        chosen, bound = _listed(found, roof, prices, best, chosen, most)
        best = math.inf if chosen is None else _loss(found, chosen)
        if bound >= best - _TINY * (1 + abs(best)):  # nothing was cut off that could be better
            break
    if chosen is None:
        return Answer(picks=None, loss=math.inf, bound=math.inf, costs=tuple(map(float, least)))
    loss = _loss(found, chosen)
    costs = sum((c.costs[pick] for c, pick in zip(found, chosen, strict=True)), np.zeros(len(roof)))
    named = tuple(int(c.numbers[pick]) for c, pick in zip(found, chosen, strict=True))
    return Answer(picks=named, loss=loss, bound=min(loss, bound), costs=tuple(map(float, costs)))


def _read(number: int, items: Sequence[Item], limits: int) -> _Class:
    if not items:
        raise Refused(f"class {number} of the knapsack is empty, expected at least one item")
    if any(len(item.costs) != limits for item in items):
        raise Refused(f"each item needs {limits} costs, one for each limit, got another number in class {number}")
    losses = np.asarray([item.loss for item in items], dtype=float)
    costs = np.asarray([item.costs for item in items], dtype=float).reshape(len(items), limits)
    if np.isnan(losses).any() or np.isnan(costs).any() or np.isinf(costs).any() or np.isneginf(losses).any():
        raise Refused(f"losses and costs must be numbers, got NaN or infinite ones in class {number}")
    finite = np.isfinite(losses)  # a network that computes no numbers any more is no way to have a layer
    if not finite.any():
        raise Refused(f"class {number} of the knapsack has no item of finite loss")
    return _Class(losses, costs, np.arange(len(items))).only(finite)


def _slack(roof: Floats) -> Floats:
    return np.where(np.isfinite(roof), _TINY * np.abs(roof), 0.0)


def _undominated(c: _Class) -> _Class:
    """Drop items than which another is as good in everything."""
    order = np.lexsort((c.numbers, *c.costs.T[::-1], c.losses))
    c = c.only(order)
    keep: list[int] = []
    for i in range(len(c.losses)):
        if not keep or not (c.costs[keep] <= c.costs[i]).all(1).any():
            keep.append(i)
    return c.only(np.asarray(keep))


def _prices(found: Sequence[_Class], roof: Floats) -> Floats:
    """Return multipliers [limits] for which the Lagrangian bound is high: the highest where there is one limit."""
    if len(roof) == 1:
        return _one_price(found, float(roof[0]))
    scale = np.array([max(c.losses.max() - c.losses.min() for c in found) if found else 1.0])
    spread = sum((np.ptp(c.costs, axis=0) for c in found), np.zeros(len(roof)))
    unit = np.where(spread > 0, max(float(scale[0]), _TINY) * max(1, len(found)) / np.maximum(spread, _TINY), 0.0)
    prices = np.zeros(len(roof))
    best, at = -math.inf, prices
    bounded = np.isfinite(roof)
    for step in range(_STEPS):
        total, spent = 0.0, np.zeros(len(roof))
        for c in found:
            pick = int((c.losses + c.costs @ prices).argmin())
            total += float(c.losses[pick])
            spent += c.costs[pick]
        over = np.where(bounded, spent - np.where(bounded, roof, 0.0), 0.0)
        value = total + float(prices @ over)
        if value > best:
            best, at = value, prices
        relative = np.where(spread > 0, over / np.maximum(spread, _TINY), 0.0)
        prices = np.maximum(0.0, prices + unit * relative * 2.0 / (1 + step) ** 0.7)
        prices = np.where(bounded, prices, 0.0)
    return at


def _one_price(found: Sequence[_Class], roof: float) -> Floats:
    """Return the slope of the linear relaxation: along the lower hulls, the last exchange that the limit asks for."""
    spent = 0.0
    slopes: list[tuple[float, float]] = []
    for c in found:
        order = np.lexsort((c.losses, c.costs[:, 0]))
        cost, loss = c.costs[order, 0], c.losses[order]
        hull: list[int] = []
        for i in range(len(cost)):  # from the cheapest on; each must lose less than the one before
            if hull and loss[i] >= loss[hull[-1]]:
                continue
            while len(hull) > 1 and _steep(cost, loss, hull[-1], i) >= _steep(cost, loss, hull[-2], hull[-1]):
                hull.pop()
            hull.append(i)
        spent += float(cost[hull[-1]])
        slopes += [(_steep(cost, loss, a, b), float(cost[b] - cost[a])) for a, b in itertools.pairwise(hull)]
    price = 0.0
    for slope, saved in sorted(slopes):
        if spent <= roof:
            break
        price, spent = slope, spent - saved
    return np.asarray([price])


def _steep(cost: Floats, loss: Floats, a: int, b: int) -> float:
    """Loss that each unit of cost between two items buys off."""
    return float((loss[a] - loss[b]) / max(cost[b] - cost[a], _TINY))


def _greedy(found: Sequence[_Class], roof: Floats, prices: Floats) -> list[int] | None:
    """Return a choice within the limits: cheapest under rising prices, then the best exchanges; None if not found."""
    for factor in (*np.geomspace(1.0, 1e6, 60), math.inf):
        if math.isinf(factor):
            weight = np.where(np.isfinite(roof), 1.0 / np.maximum(np.abs(roof), _TINY), 0.0)
            picks = [int((c.costs @ weight).argmin()) for c in found]
        else:
            priced = prices * factor + (factor > 1) * _TINY
            picks = [int((c.losses + c.costs @ priced).argmin()) for c in found]
        spent = sum((c.costs[p] for c, p in zip(found, picks, strict=True)), np.zeros(len(roof)))
        if (spent <= roof + _slack(roof)).all():
            return _exchanged(found, roof, picks, spent)
    return None


def _exchanged(found: Sequence[_Class], roof: Floats, picks: list[int], spent: Floats) -> list[int]:
    """Spend what is left where it buys off most, one exchange at a time."""
    while True:
        best, where = 0.0, (-1, -1)
        for number, (c, pick) in enumerate(zip(found, picks, strict=True)):
            room = (spent - c.costs[pick] + c.costs <= roof + _slack(roof)).all(1)
            gain = np.where(room, c.losses[pick] - c.losses, -math.inf)
            item = int(gain.argmax())
            if gain[item] > best + _TINY:
                best, where = float(gain[item]), (number, item)
        if where[0] < 0:
            return picks
        number, item = where
        spent = spent - found[number].costs[picks[number]] + found[number].costs[item]
        picks[number] = item


def _loss(found: Sequence[_Class], picks: Sequence[int]) -> float:
    return float(sum(c.losses[pick] for c, pick in zip(found, picks, strict=True)))


def _finite(roof: Floats) -> Floats:
    return np.where(np.isfinite(roof), roof, 0.0)


def _fixed(
    found: list[_Class], roof: Floats, prices: Floats, best: float, start: list[int] | None
) -> tuple[list[_Class], list[int] | None]:
    """Drop items that no answer better than `best` can have; those of the answer known so far stay."""
    if start is None:
        return found, None
    priced = [c.losses + c.costs @ prices for c in found]
    whole = sum(float(p.min()) for p in priced) - float(prices @ _finite(roof))
    result, picks = [], []
    for c, p, pick in zip(found, priced, start, strict=True):
        keep = whole - float(p.min()) + p <= best + _TINY * (1 + abs(best))
        keep[pick] = True
        result.append(c.only(keep))
        picks.append(int(keep[:pick].sum()))
    return result, picks


def _listed(
    found: list[_Class], roof: Floats, prices: Floats, best: float, start: list[int] | None, most: int
) -> tuple[list[int] | None, float]:
    """Return the picks of least loss, and the least loss that any choice left out on the way may have.

    At most `most` partial answers go on after each class.
    """
    order = sorted(range(len(found)), key=lambda number: -len(found[number].losses))
    classes = [found[number] for number in order]
    limits = len(roof)
    after = [np.zeros(limits)]
    promised = [0.0]
    for c in reversed(classes):
        after.append(after[-1] + c.costs.min(0))
        promised.append(promised[-1] + float((c.losses + c.costs @ prices).min()))
    after, promised = after[::-1], promised[::-1]
    costs, losses = np.zeros((1, limits)), np.zeros(1)
    trail: list[tuple[NDArray[np.int64], NDArray[np.int64]]] = []
    cut = math.inf
    owed = float(prices @ _finite(roof))
    for number, c in enumerate(classes):
        costs = (costs[:, None] + c.costs[None]).reshape(-1, limits)
        losses = (losses[:, None] + c.losses[None]).reshape(-1)
        came, item = np.divmod(np.arange(len(losses)), len(c.losses))
        bound = losses + costs @ prices + promised[number + 1] - owed
        good = (costs + after[number + 1] <= roof + _slack(roof)).all(1)
        if start is not None:
            good &= bound < best - _TINY * (1 + abs(best))
        rows = np.flatnonzero(good)
        if len(rows) > 8 * most:  # before they are compared with each other, which takes longest
            rows = rows[np.argpartition(bound[rows], 8 * most)]
            cut = min(cut, float(bound[rows[8 * most]]))
            rows = rows[: 8 * most]
        rows = rows[_front(costs[rows], losses[rows])]
        if len(rows) > most:
            rows = rows[np.argsort(bound[rows], kind="stable")]
            cut = min(cut, float(bound[rows[most]]))
            rows = rows[:most]
        costs, losses = costs[rows], losses[rows]
        trail.append((came[rows], item[rows]))
    if not len(losses):
        return start, min(cut, best)
    at = int(np.lexsort((costs[:, 0], losses))[0])
    reached = float(losses[at])
    picks = [0] * len(found)
    for number in reversed(range(len(classes))):
        came, item = trail[number]
        picks[order[number]] = int(item[at])
        at = int(came[at])
    return picks, min(cut, reached)


def _front(costs: Floats, losses: Floats) -> NDArray[np.int64]:
    """Return the rows that no other dominates; with several costs, some dominated ones may stay."""
    if not len(losses):
        return np.arange(0)
    order = np.lexsort((losses, *costs.T[::-1]))
    kept = losses[order]
    if costs.shape[1] == 1:
        lowest = np.minimum.accumulate(np.concatenate([[math.inf], kept[:-1]]))
        return np.asarray(order[kept < lowest])
    order = order[np.concatenate([[True], (costs[order][1:] != costs[order][:-1]).any(1)])]
    strong = order[np.linspace(0, len(order) - 1, min(_RIVALS, len(order))).astype(int)]
    beaten = np.zeros(len(order), dtype=bool)
    for rival in strong:
        worse = (costs[order] >= costs[rival]).all(1) & (losses[order] >= losses[rival]) & (order != rival)
        beaten |= worse
    return np.asarray(order[~beaten])
