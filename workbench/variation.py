"""Recipes that differ in a few settings: every combination of some values, each put into a base recipe.

Axis.parse("magnitude.ratio=0.5:0.9:0.1")    from 0.5 to 0.9 in steps of 0.1, both ends included
Axis.parse("weight_bits.bits=2,3,4,8")       these values
"""

from __future__ import annotations

import dataclasses
import itertools
import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from workbench.errors import Refused
from workbench.recipe import Recipe, Step, place_
from workbench.registry import techniques

MOST = 10_000
"""How many recipes one grid may have: more is a slip of the pen."""


@dataclass(frozen=True)
class Axis:
    """One setting of one technique and the values that it takes, each once, in the order in which they were given."""

    technique: str
    field: str
    values: tuple[Any, ...]

    def __post_init__(self) -> None:
        spec = _spec(self.technique, self.field)
        checked = (spec.check(f"{self.technique}.{self.field}", value) for value in self.values)
        object.__setattr__(self, "values", tuple(dict.fromkeys(checked)))
        if not self.values:
            raise Refused(f"{self.technique}.{self.field} needs at least one value, got none")

    @classmethod
    def parse(cls, text: str) -> Axis:
        """Read TECHNIQUE.FIELD=VALUES; raises `Refused`."""
        address, equals, values = text.partition("=")
        technique, dot, field = address.strip().partition(".")
        if not (equals and dot):
            raise Refused(
                f"a setting that varies is written like magnitude.ratio=0:0.9:0.1 or weight_bits.bits=2,4, got {text!r}"
            )
        spec = _spec(technique, field)
        try:
            found = tuple(spec.parse(part) for part in _parts(values))
        except Refused as refusal:
            raise Refused(f"{address}: {refusal}") from None
        return cls(technique, field, found)

    def put_into(self, recipe: Recipe, value: Any) -> Recipe:
        """Return a recipe with one of the values: its first step of the technique has it, or a new one in its place."""
        steps = [*recipe.steps]
        number = next((i for i, step in enumerate(steps) if step.name == self.technique), None)
        if number is None:
            place_(steps, techniques.get(self.technique)(**{self.field: value}))
        else:
            steps[number] = dataclasses.replace(steps[number], **{self.field: value})
        return Recipe(tuple(steps))


def combinations(base: Recipe, axes: Sequence[Axis]) -> tuple[Recipe, ...]:
    """Return the base recipe with every combination of values; the last axis changes fastest. Raises `Refused`."""
    addresses = [(axis.technique, axis.field) for axis in axes]
    if twice := next((address for address in addresses if addresses.count(address) > 1), None):
        raise Refused(f"{'.'.join(twice)} varies twice: put all its values into one")
    if (count := math.prod(len(axis.values) for axis in axes)) > MOST:
        raise Refused(f"a grid may have up to {MOST:,} recipes, this one has {count:,}: take fewer values")
    found = []
    for values in itertools.product(*(axis.values for axis in axes)):
        recipe = base
        for axis, value in zip(axes, values, strict=True):
            recipe = axis.put_into(recipe, value)
        found.append(recipe)
    return tuple(dict.fromkeys(found))


def evenly(low: float, high: float, step: float) -> tuple[float, ...]:
    """Return the numbers from `low` to `high` in steps, both ends included where the steps meet the upper one."""
    if not all(map(math.isfinite, (low, high, step))) or step <= 0 or high < low:
        raise Refused(f"a range goes FROM:TO:STEP upwards in steps above 0, got {low:g}:{high:g}:{step:g}")
    if (high - low) / step > MOST:
        raise Refused(f"a range may have up to {MOST:,} values, got {low:g}:{high:g}:{step:g}")
    count = math.floor((high - low) / step * (1 + 1e-9)) + 1
    return tuple(round(low + number * step, 10) for number in range(count))


def _parts(text: str) -> list[str]:
    """Return the values of a list or a range as texts, for the spec of their field to read."""
    if (numbers := re.fullmatch(r"\s*([^:,]+):([^:,]+):([^:,]+)\s*", text)) is not None:
        try:
            low, high, step = map(float, numbers.groups())
        except ValueError:
            return [text.strip()]  # such as layer:value+layer:value
        return [f"{value:.10g}" for value in evenly(low, high, step)]
    return [part.strip() for part in text.split(",") if part.strip()]


def _spec(technique: str, field: str) -> Any:
    cls: type[Step] = techniques.get(technique)
    fields = {item.name: item.spec for item in cls.fields()}
    if field not in fields:
        raise Refused(f"{technique} has the settings {', '.join(fields)}, got {field!r}")
    return fields[field]
