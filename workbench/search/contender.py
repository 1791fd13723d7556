"""A recipe that was made for real and measured on validation images, beside the limits that it has to keep to."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from workbench.devices.profile import Profile
from workbench.devices.shelf import device as device_called
from workbench.errors import Refused
from workbench.network import layers
from workbench.recipe import Recipe
from workbench.result import Job
from workbench.run import Prepared
from workbench.search.costs import costs
from workbench.search.limits import MEMORY, SIZE, Limits
from workbench.search.plan import Plan, plan
from workbench.search.sensitivity import Sensitivity
from workbench.search.table import Table
from workbench.search.trial import Trial, Trials

REPAIRS = 4
"""How often something is chosen again because the file was larger, or much smaller, than forecast."""
_AIM = 0.995
_CAUTION = 0.01
"""By how much less of the limit is aimed at after each file that was too large."""
_ROOM = 0.985
"""A file that uses less of the limit than this is worth another solution."""


@dataclass(frozen=True, kw_only=True)
class Ground:
    """A network whose layers have been measured: what plans stand on."""

    job: Job
    prepared: Prepared
    trials: Trials
    losses: tuple[Sensitivity, ...]
    tables: tuple[Table, ...]
    limits: Limits
    """The limits that the tables were made for: others of the same kinds can be planned as well."""

    @property
    def device(self) -> Profile | None:
        """The device that it has to run on, if any."""
        return device_called(self.limits.device) if self.limits.device else None

    def plan(self, limits: Limits) -> Plan:
        """Return the plan of least forecast loss within limits of the kinds that this was prepared for."""
        if limits.device != self.limits.device or (limits.structural and not self.limits.structural):
            raise Refused("these limits need other preparations: prepare the budget again with them")
        return plan(self.tables, limits, self.device)


@dataclass(frozen=True, kw_only=True)
class Contender:
    """A recipe that was made for real and measured on validation images."""

    title: str
    recipe: Recipe
    trial: Trial
    costs: Mapping[str, float]
    keeps: bool
    """Whether it keeps to the limits."""
    keeps_others: bool = True
    """Whether it keeps to those that are neither about the file nor about accuracy."""
    uniform: bool = False
    """Whether all layers have the same settings: the control."""

    @property
    def rank(self) -> tuple[bool, float, float]:
        """Orders contenders, the best first: those within the limits, then by how little their answers changed."""
        return (not self.keeps, self.trial.judgement.divergence.value, self.costs[SIZE])


def measured(found: Ground, title: str, recipe: Recipe, limits: Limits, *, uniform: bool = False) -> Contender:
    """Return a recipe made for real, with what it costs and what it loses on validation images."""
    trial = found.trials.of(recipe)
    reached = costs(
        found.trials.network(recipe),
        found.prepared,
        tuple(layers(found.prepared.model)),
        work=limits.structural,
        device=found.device,
    )
    totals = {cost: reached.total(cost) for cost in reached.parts} | {SIZE: float(trial.size_bytes)}
    others = all(totals.get(cost, 0.0) <= most for cost, most in limits.costs.items() if cost != SIZE)
    if reached.peak_memory is not None:
        totals[MEMORY] = float(reached.peak_memory)
        others = others and reached.peak_memory <= (limits.peak_memory or math.inf)
    if found.device is not None:
        others = others and reached.forecast is not None and reached.forecast.runs
    made = Contender(
        title=title, recipe=recipe, trial=trial, costs=totals, keeps=others, keeps_others=others, uniform=uniform
    )
    return allowed(made, limits)


def allowed(each: Contender, limits: Limits) -> Contender:
    """Return a contender that was made for a smaller file than the limits ask for, judged by them."""
    size = math.inf if limits.size_bytes is None else limits.size_bytes
    lost = math.inf if limits.drop is None else limits.drop
    keeps = each.costs[SIZE] <= size and each.trial.judgement.drop.value <= lost + 1e-9
    return dataclasses.replace(each, keeps=keeps and each.keeps_others)


def fitted(
    found: Ground,
    title: str,
    chosen: Callable[[Limits], Recipe | None],
    limits: Limits,
    repairs: int = REPAIRS,
    *,
    uniform: bool = False,
) -> Iterator[Contender]:
    """Yield what is chosen within the limits, and again for other sizes until its real file just fits the limit."""
    seen: set[Recipe] = set()
    fits: list[tuple[float, float]] = []  # what was aimed at, and how large the file became
    over: list[tuple[float, float]] = []
    aim = limits.size_bytes
    for _ in range(repairs + 1):
        recipe = chosen(dataclasses.replace(limits, size_bytes=aim))
        if recipe is None or recipe in seen:
            return
        seen.add(recipe)
        made = measured(found, title, recipe, limits, uniform=uniform)
        yield made
        size = made.costs[SIZE]
        if limits.size_bytes is None or aim is None or _ROOM <= size / limits.size_bytes <= 1:
            return
        (fits if size <= limits.size_bytes else over).append((aim, size))
        wanted = (_AIM - _CAUTION * len(over)) * limits.size_bytes
        if fits and over:
            (low, small), (high, large) = max(fits), min(over)
            share = (wanted - small) / max(large - small, 1.0)
            aim = low + min(max(share, 0.1), 0.9) * (high - low)
        else:
            aim *= wanted / size


def best_of(contenders: Sequence[Contender]) -> Contender | None:
    """Return the contender that keeps to the limits and changes the answers least."""
    return min((each for each in contenders if each.keeps), key=lambda each: each.rank, default=None)
