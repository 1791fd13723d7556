"""The table that a budget is solved on: for each layer all that it may become, what that costs and what it loses."""

from __future__ import annotations

import dataclasses
import itertools
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from torch import nn

from workbench.compress import compress
from workbench.context import Context, Patience, Progress, Report, ignore
from workbench.devices.profile import Profile
from workbench.network import layers
from workbench.recipe import Recipe, Step
from workbench.registry import techniques
from workbench.run import Prepared
from workbench.search.costs import REST, Costs, costs
from workbench.search.limits import FLASH, MACS
from workbench.search.options import STRUCTURAL, Dial, Settings, read_off, recipe_of
from workbench.search.sensitivity import Sensitivity

_CORNERS = {1: 20, 2: 8, 3: 4}
"""At how many values of each dial files are counted, by how many dials there are; between them it is read off."""


@dataclass(frozen=True, kw_only=True)
class Option:
    """One way to have a layer."""

    settings: Settings
    loss: float
    costs: Mapping[str, float]


@dataclass(frozen=True, kw_only=True)
class Table:
    """All options of all layers, for one network that the steps of `base` have made."""

    base: tuple[Step, ...]
    base_loss: float
    dials: tuple[Dial, ...]
    layers: Mapping[str, tuple[Option, ...]]
    """The first option leaves the layer as it is."""
    extras: Mapping[Step, Option]
    """Steps about no single layer that may go along, and what each saves (below zero) and loses."""
    rest: Mapping[str, float]
    """What no layer decides, by cost."""
    peak_memory: int | None = None
    """Bytes of activations, which no dial changes; None where nobody asked."""

    def recipe(self, choices: Mapping[str, Settings], extras: Sequence[Step] = ()) -> Recipe:
        """Return the recipe of a choice."""
        return recipe_of(choices, self.dials, (*self.base, *extras))


def tabulate(
    prepared: Prepared,
    losses: Sequence[Sensitivity],
    dials: Sequence[Dial],
    *,
    base: Sequence[Step] = (),
    base_loss: float = 0.0,
    extras: Mapping[Step, float] | None = None,
    protected: frozenset[str] = frozenset(),
    work: bool = False,
    device: Profile | None = None,
    report: Report = ignore,
) -> Table:
    """Return the table of a base. `extras` are steps for the whole network with what each loses.

    Layers in `protected` stay as they are.
    """
    names = tuple(layers(prepared.model))
    grid = _counted(prepared, names, dials, base, work=work, device=device, report=report)
    by_layer: dict[str, dict[str, dict[Any, float]]] = {}
    for each in losses:
        if each.judgement is not None and not each.rough:
            lost = by_layer.setdefault(each.layer, {}).setdefault(each.technique, {})
            lost[each.value] = each.judgement.divergence.value
    neutral = tuple(dial.neutral for dial in dials)
    whole = grid.at[neutral]
    found: dict[str, tuple[Option, ...]] = {}
    for name in names:
        able = [dial for dial in dials if by_layer.get(name, {}).get(dial.name)]
        found[name] = tuple(_options(name, able if name not in protected else [], dials, by_layer.get(name, {}), grid))
    saved = {
        step: Option(settings=(), loss=loss, costs=_saved(prepared, names, base, step, whole))
        for step, loss in (extras or {}).items()
    }
    return Table(
        base=tuple(base),
        base_loss=base_loss,
        dials=tuple(dials),
        layers=found,
        extras=saved,
        rest={cost: parts.get(REST, 0.0) for cost, parts in whole.parts.items()},
        peak_memory=whole.peak_memory,
    )


@dataclass(frozen=True, kw_only=True)
class _Grid:
    """The costs of networks all of whose layers have the same settings, at some corners of all settings."""

    corners: tuple[tuple[Any, ...], ...]
    """The values of each dial."""
    dials: tuple[Dial, ...]
    at: Mapping[tuple[Any, ...], Costs]
    refused: frozenset[tuple[Any, ...]] = field(default_factory=frozenset)
    """Corners that the device does not run."""

    def read(self, name: str, values: Sequence[Any]) -> dict[str, float] | None:
        """Return the costs of a layer, linear between corners; None where a device would not run it."""
        around = [
            _around(dial, found, value) for dial, found, value in zip(self.dials, self.corners, values, strict=True)
        ]
        total: dict[str, float] = {}
        for corner in itertools.product(*around):
            key, weight = tuple(value for value, _ in corner), math.prod(share for _, share in corner)
            if weight == 0:
                continue
            if key in self.refused:
                return None
            for cost, parts in self.at[key].parts.items():
                total[cost] = total.get(cost, 0.0) + weight * parts.get(name, 0.0)
        return total


def _around(dial: Dial, corners: Sequence[Any], value: Any) -> list[tuple[Any, float]]:
    if value in corners:
        return [(value, 1.0)]
    x = [dial.strength(corner) for corner in corners]
    upper = int(np.searchsorted(x, dial.strength(value)))
    share = (dial.strength(value) - x[upper - 1]) / (x[upper] - x[upper - 1])
    return [(corners[upper - 1], 1 - share), (corners[upper], share)]


def _counted(
    prepared: Prepared,
    names: Sequence[str],
    dials: Sequence[Dial],
    base: Sequence[Step],
    *,
    work: bool,
    device: Profile | None,
    report: Report,
) -> _Grid:
    """Count networks that the simple methods make: how a layer was solved hardly changes how many bytes it takes."""
    ctx = dataclasses.replace(prepared.context, patience=Patience.NOW, notes=[], provisional=[])
    corners = tuple(_spread(dial.values, _CORNERS[len(dials)]) for dial in dials)
    every = list(itertools.product(*corners))
    at: dict[tuple[Any, ...], Costs] = {}
    refused = set()
    frame = _Frame(prepared, names, dials, base, ctx)
    for number, values in enumerate(every):
        report(Progress(number / len(every), "counting what files take"))
        at[values] = costs(frame.network(values), prepared, names, work=work, device=device)
        if device is not None and FLASH not in at[values].parts:
            refused.add(values)
    return _Grid(corners=corners, dials=tuple(dials), at=at, refused=frozenset(refused))


@dataclass
class _Frame:
    """Networks at corners. What comes first in their recipes, up to splits, is kept from one corner to the next."""

    prepared: Prepared
    names: Sequence[str]
    dials: Sequence[Dial]
    base: Sequence[Step]
    ctx: Context
    _first: tuple[Step, ...] | None = None
    _made: nn.Module | None = None

    def network(self, values: Sequence[Any]) -> nn.Module:
        """Return the network all of whose layers have these values, without splits where there is nothing to split."""
        wanted = tuple(
            (dial.name, value) for dial, value in zip(self.dials, values, strict=True) if value != dial.neutral
        )
        splits = tuple(pair for pair in wanted if pair[0] in STRUCTURAL)
        first, _ = self._parted(dict.fromkeys(self.names, splits))
        if self._made is None or first != self._first:
            self._first, self._made = first, compress(self.prepared.model, Recipe(first), self.ctx)
        whole = set(layers(self._made)) & set(self.names)
        others = tuple(pair for pair in wanted if pair not in splits)
        _, rest = self._parted({name: others if name in whole else wanted for name in self.names})
        return compress(self._made, Recipe(rest), self.ctx)

    def _parted(self, choices: Mapping[str, Settings]) -> tuple[tuple[Step, ...], tuple[Step, ...]]:
        """Return the steps of a choice up to those that split layers, and those after."""
        edge = max(techniques.get(name).order for name in STRUCTURAL)
        steps = recipe_of(choices, self.dials, self.base).steps
        return tuple(s for s in steps if s.order <= edge), tuple(s for s in steps if s.order > edge)


def _spread(values: Sequence[Any], most: int) -> tuple[Any, ...]:
    if len(values) <= most:
        return tuple(values)
    return tuple(values[round(number)] for number in np.linspace(0, len(values) - 1, most))


def _options(
    name: str, able: Sequence[Dial], dials: Sequence[Dial], losses: Mapping[str, Mapping[Any, float]], grid: _Grid
) -> Iterator[Option]:
    choices = [dial.values if dial in able else (dial.neutral,) for dial in dials]
    for values in itertools.product(*choices):
        found = grid.read(name, values)
        if found is None:
            continue
        parts = [
            read_off(losses[dial.name], v, dial) for dial, v in zip(dials, values, strict=True) if v != dial.neutral
        ]
        settings = tuple((dial.name, v) for dial, v in zip(dials, values, strict=True) if v != dial.neutral)
        yield Option(settings=settings, loss=sum(parts), costs=found)


def _saved(
    prepared: Prepared, names: Sequence[str], base: Sequence[Step], step: Step, whole: Costs
) -> dict[str, float]:
    ctx = dataclasses.replace(prepared.context, patience=Patience.NOW, notes=[], provisional=[])
    recipe = Recipe(tuple(sorted((*base, step), key=lambda each: each.order)))
    found = costs(compress(prepared.model, recipe, ctx), prepared, names, work=False)
    return {cost: found.total(cost) - whole.total(cost) for cost in found.parts if cost != MACS}
