"""Plans: the choice for every layer that loses least within limits, as an exact knapsack over prepared tables."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from workbench.devices.profile import Profile
from workbench.recipe import Recipe, Step
from workbench.result import Status
from workbench.search.knapsack import Answer, Item, solve
from workbench.search.limits import FLASH, LATENCY, MEMORY, SIZE, Limits
from workbench.search.table import Option, Table


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What the solver found. Its loss is a sum over layers: a forecast, until the plan is measured as a whole."""

    limits: Limits
    status: Status
    recipe: Recipe = field(default_factory=Recipe)
    loss: float = math.inf
    """Nats, the sum of the losses of all layers by themselves."""
    bound: float = math.inf
    """No choice within the limits has a smaller sum."""
    costs: Mapping[str, float] = field(default_factory=dict)
    """Forecast; the network that is made tells."""
    message: str = ""
    smallest: Mapping[str, float] = field(default_factory=dict)
    """Where nothing keeps to the limits: the least of each cost that any choice reaches."""

    @property
    def gap(self) -> float:
        """How much less another choice might lose at the most, in nats: zero where this is proved to be the best."""
        return 0.0 if self.status is not Status.OK else max(0.0, self.loss - self.bound)


def plan(tables: Sequence[Table], limits: Limits, device: Profile | None = None) -> Plan:
    """Return the plan of least loss over all tables; one that cannot be is a status that says what could be."""
    best: Plan | None = None
    least: dict[str, float] = {}
    for table in tables:
        roof = _roof(table, limits, device)
        fixed = _fixed(table, limits, device)
        if fixed:
            least[fixed[0]] = min(least.get(fixed[0], math.inf), fixed[1])
            continue
        found = _solved(table, roof)
        if found.picks is None:
            for cost, value in zip(roof, found.costs, strict=True):
                least[cost] = min(least.get(cost, math.inf), value + table.rest.get(cost, 0.0))
        elif best is None or table.base_loss + found.loss < best.loss:
            best = _made(table, limits, roof, found)
    if best is not None:
        return best
    return Plan(limits=limits, status=Status.INFEASIBLE, smallest=least, message=_unreachable(limits, least))


def front(tables: Sequence[Table], points: int = 24) -> list[Plan]:
    """Return plans for file sizes spread evenly, in the logarithm, from the smallest reachable to the original."""
    low = min(_extreme(table, min) for table in tables)
    high = max(_extreme(table, max) for table in tables)
    sizes = [low * (high / low) ** (number / (points - 1)) for number in range(points)]
    found = [plan(tables, Limits(size_bytes=math.ceil(size))) for size in sizes]
    return [each for each in found if each.status is Status.OK]


def _extreme(table: Table, pick: object) -> float:
    kind = min if pick is min else max
    extras = sum(min(0.0, option.costs.get(SIZE, 0.0)) for option in table.extras.values()) if kind is min else 0.0
    total = sum(kind(option.costs[SIZE] for option in options) for options in table.layers.values())
    return table.rest[SIZE] + total + extras


def _roof(table: Table, limits: Limits, device: Profile | None) -> dict[str, float]:
    """Return the limits of the knapsack by cost, for what layers decide."""
    roof = dict(limits.costs)
    if device is not None:
        in_flash = device.weights == "flash"
        room = device.flash_bytes.value if in_flash and device.flash_bytes else math.inf
        if not in_flash:
            room = device.ram_bytes.value - (table.peak_memory or 0)
        if math.isfinite(room):
            roof[FLASH] = room
    return {cost: limit - table.rest.get(cost, 0.0) for cost, limit in roof.items()}


def _fixed(table: Table, limits: Limits, device: Profile | None) -> tuple[str, float] | None:
    """Return what no layer of this table decides, and is too much."""
    if any(not options for options in table.layers.values()):
        return LATENCY, math.inf  # some layer does not run there at all
    peak = table.peak_memory
    if peak is None:
        return None
    most = math.inf if limits.peak_memory is None else limits.peak_memory
    if device is not None:
        most = min(most, device.ram_bytes.value)
    return (MEMORY, float(peak)) if peak > most else None


def _solved(table: Table, roof: Mapping[str, float]) -> Answer:
    classes = [[_item(option, roof) for option in options] for options in table.layers.values()]
    nothing = Item(loss=0.0, costs=(0.0,) * len(roof))
    classes += [[nothing, _item(option, roof)] for option in table.extras.values()]
    return solve(classes, list(roof.values()))


def _item(option: Option, roof: Mapping[str, float]) -> Item:
    return Item(loss=option.loss, costs=tuple(option.costs.get(cost, 0.0) for cost in roof))


def _made(table: Table, limits: Limits, roof: Mapping[str, float], found: Answer) -> Plan:
    picks = found.picks or ()
    names = list(table.layers)
    chosen = {name: table.layers[name][pick] for name, pick in zip(names, picks, strict=False)}
    extras: list[Step] = [step for step, pick in zip(table.extras, picks[len(names) :], strict=True) if pick]
    settings = {name: option.settings for name, option in chosen.items()}
    options = [*chosen.values(), *(table.extras[step] for step in extras)]
    costs = {
        cost: table.rest.get(cost, 0.0) + sum(option.costs.get(cost, 0.0) for option in options) for cost in table.rest
    }
    if table.peak_memory is not None:
        costs[MEMORY] = float(table.peak_memory)
    return Plan(
        limits=limits,
        status=Status.OK,
        recipe=table.recipe(settings, extras),
        loss=table.base_loss + found.loss,
        bound=table.base_loss + found.bound,
        costs=costs,
    )


_NAMES = {
    SIZE: ("the smallest file that can be reached takes about {:,.0f} bytes", "size_bytes"),
    MEMORY: ("activations take {:,.0f} bytes at the least", "peak_memory"),
    FLASH: ("weights take {:,.0f} bytes there at the least", "device"),
    LATENCY: ("the quickest takes {:.4g} ms there", "latency_ms"),
    "macs": ("the least work that can be reached is {:,.0f} multiply-adds", "macs"),
}


def _unreachable(limits: Limits, least: Mapping[str, float]) -> str:
    told = [_NAMES[cost][0].format(value) for cost, value in least.items() if math.isfinite(value)]
    if not told:
        return f"some layer of this network does not run on {limits.device}, whatever its setting: {limits}"
    return f"no choice keeps to {limits}: {', '.join(told)}"
