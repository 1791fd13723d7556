"""What a layer may become: every technique that takes a setting for each layer, at each position of its slider.

The loss of a setting is the divergence that the whole network shows when this layer alone has it, measured on
validation images at a few telling positions and read off between them. Losses of several techniques in one layer, and
of several layers, add up: that is an approximation, which ranks networks well while they are not yet badly hurt. So a
plan that was chosen by sums is always measured as a whole afterwards (`workbench.search.budget`).
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from workbench.recipe import Recipe, Step, overridable
from workbench.registry import techniques

USUAL = ("magnitude", "weight_bits")
"""What makes a file small."""
STRUCTURAL = ("low_rank",)
"""What makes less work of a layer by itself; channels narrow several layers at once (`workbench.search.bases`)."""
_TELLING = 4
_LEAST = 1e-9
"""Divergences below count as this: they are noise, and have no logarithm."""

Settings = tuple[tuple[str, Any], ...]
"""Technique and value, for each technique that does not leave a layer as it is."""


@dataclass(frozen=True, kw_only=True)
class Dial:
    """One technique as the solver turns it: the values that a layer may have, the mildest first."""

    technique: type[Step]
    values: tuple[Any, ...]

    @property
    def name(self) -> str:
        """The name of the technique."""
        return self.technique.name

    @property
    def neutral(self) -> Any:
        """The value that leaves a layer as it is."""
        return self.technique.neutral

    @property
    def telling(self) -> tuple[Any, ...]:
        """The values at which losses are measured: those that people try first, and the harshest."""
        first = self.technique.positions[:_TELLING]
        return tuple(sorted({*first, self.values[-1]}, key=self.strength))

    def strength(self, value: Any) -> float:
        """Return how far a value is from changing nothing."""
        return abs(float(value) - float(self.neutral))

    def step(self, layers: Mapping[str, Any]) -> Step:
        """Return the technique with values for these layers alone."""
        return self.technique(**{self.technique.slider: self.neutral, "layers": dict(layers)})


def dials(names: Iterable[str] = USUAL) -> tuple[Dial, ...]:
    """Return the dials of techniques by name, in the order in which a recipe applies them."""
    found = sorted((techniques.get(name) for name in names), key=lambda technique: technique.order)
    return tuple(_dial(technique) for technique in found)


def _dial(technique: type[Step]) -> Dial:
    if technique not in overridable() or not technique.positions:
        raise TypeError(f"{technique.__name__} has no slider with a neutral value and values for single layers")
    bare = Dial(technique=technique, values=())
    return replace(bare, values=tuple(sorted({technique.neutral, *technique.positions}, key=bare.strength)))


def recipe_of(choices: Mapping[str, Settings], used: Sequence[Dial], base: Sequence[Step] = ()) -> Recipe:
    """Return the recipe that gives each layer its settings, among the steps of the base, by their order.

    Where a technique splits a layer, those that follow it treat both halves alike.
    """
    steps = list(base)
    split = {layer for layer, settings in choices.items() if any(name in STRUCTURAL for name, _ in settings)}
    for dial in used:
        own: dict[str, Any] = {}
        for layer, settings in choices.items():
            value = dict(settings).get(dial.name)
            if value is None:
                continue
            halves = layer in split and dial.name not in STRUCTURAL
            own |= dict.fromkeys((f"{layer}.0", f"{layer}.1") if halves else (layer,), value)
        if own:
            steps.append(dial.step(own))
    return Recipe(tuple(sorted(steps, key=lambda step: step.order)))


def read_off(measured: Mapping[Any, float], value: Any, dial: Dial) -> float:
    """Return the loss at a value from those measured at others: linear in its logarithm, and never less for more.

    For rounding this is exact in theory, each bit quarters the squared error; the ends go on as they came.
    """
    if value == dial.neutral:
        return 0.0
    at = sorted(measured, key=dial.strength)
    logs = [math.log(max(measured[each], _LEAST)) for each in at]
    for i in range(1, len(logs)):  # measured on a few images: what is harsher cannot be better
        logs[i] = max(logs[i], logs[i - 1])
    if not at or math.inf in logs:
        finite = [each for each, log in zip(at, logs, strict=True) if log < math.inf]
        if not finite or dial.strength(value) > dial.strength(finite[-1]):
            return math.inf
        return read_off({each: measured[each] for each in finite}, value, dial)
    x = [dial.strength(each) for each in at]
    where = dial.strength(value)
    if len(x) == 1:
        return math.exp(logs[0])
    upper = min(max(next((i for i, each in enumerate(x) if each >= where), len(x) - 1), 1), len(x) - 1)
    share = (where - x[upper - 1]) / (x[upper] - x[upper - 1])
    return math.exp(logs[upper - 1] + share * (logs[upper] - logs[upper - 1]))
