"""Declared fields: a frozen value says in one line what each of its fields allows.

    ratio: Annotated[float, Range(0, 0.98, 0.01, "share of the weights set to zero")] = 0.5

The settings of techniques (`recipe.Step`) and the choices of an architecture (`space.Space`) are both declared so.
"""

from __future__ import annotations

import dataclasses
import functools
from abc import ABC
from dataclasses import dataclass
from reprlib import repr as brief
from typing import Annotated, Any, ClassVar, Self, TypeAlias, get_args, get_origin, get_type_hints

from workbench.errors import Refused


@dataclass(frozen=True)
class Range:
    """Numbers from `low` to `high` in steps of `step`; whole numbers where all three are whole."""

    low: float
    high: float
    step: float
    help: str = ""
    log: bool = False
    percent: bool = False
    """Shown to a person as percent; the value itself stays a fraction."""

    @property
    def whole(self) -> bool:
        return all(isinstance(x, int) for x in (self.low, self.high, self.step))

    def check(self, name: str, value: Any) -> float:
        """Return the value as int or float; raises `Refused` outside the range."""
        kind = "a whole number" if self.whole else "a number"
        ok = isinstance(value, (int, float)) and not isinstance(value, bool)
        if not ok or not self.low <= value <= self.high or (self.whole and value != int(value)):  # NaN is in no range
            raise Refused(f"{name} must be {kind} in [{self.low}, {self.high}], got {brief(value)}")
        return int(value) if self.whole else float(value) + 0.0  # never -0.0, whose JSON is another text

    def parse(self, text: str) -> float:
        try:
            return float(text)
        except ValueError:
            raise Refused(f"expected a number in [{self.low}, {self.high}], got {text!r}") from None


@dataclass(frozen=True, init=False)
class Choice:
    """One of a few values."""

    options: tuple[Any, ...]
    help: str = ""

    def __init__(self, *options: Any, help: str = "") -> None:
        object.__setattr__(self, "options", options)
        object.__setattr__(self, "help", help)

    def check(self, name: str, value: Any) -> Any:
        """Return the option equal to the value; raises `Refused` where there is none."""
        for option in self.options:
            if option == value and isinstance(value, bool) == isinstance(option, bool):
                return option
        raise Refused(f"{name} must be one of {', '.join(map(str, self.options))}, got {brief(value)}")

    def parse(self, text: str) -> Any:
        return next((option for option in self.options if str(option).lower() == text.lower()), text)


@dataclass(frozen=True)
class Switch:
    """Yes or no."""

    help: str = ""

    def check(self, name: str, value: Any) -> bool:
        """Return the value; raises `Refused` for anything but True and False."""
        if not isinstance(value, bool):
            raise Refused(f"{name} must be true or false, got {brief(value)}")
        return value

    def parse(self, text: str) -> Any:
        on, off = dict.fromkeys(("true", "yes", "on", "1"), True), dict.fromkeys(("false", "no", "off", "0"), False)
        return (on | off).get(text.lower(), text)


@dataclass(frozen=True)
class ModelName:
    """The name of a network: one of `special`, or any name of the model zoo (checked where the recipe is applied)."""

    special: tuple[str, ...] = ()
    help: str = ""

    def check(self, name: str, value: Any) -> str:
        """Return the name; raises `Refused` for anything that cannot be one."""
        if not isinstance(value, str) or not value:
            known = " or ".join(map(repr, self.special))
            raise Refused(f"{name} must be {known} or the name of a model, got {brief(value)}")
        if value.startswith("user:"):  # a recipe is data that may come from anybody: it must not name code to be run
            raise Refused(f"{name} must not be a user: model, because a recipe may not run code from a file")
        return value

    def parse(self, text: str) -> str:
        return text


@dataclass(frozen=True)
class PerLayer:
    """A value for some layers by name, in place of the general one: a mapping, kept as sorted pairs."""

    item: Range | Choice
    help: str = ""

    def check(self, name: str, value: Any) -> tuple[tuple[str, Any], ...]:
        """Return sorted (layer, value) pairs; raises `Refused` for a value outside the range of the item."""
        try:
            pairs = dict(value)
        except (TypeError, ValueError):
            raise Refused(f"{name} must map layer names to values, got {brief(value)}") from None
        if bad := [key for key in pairs if not isinstance(key, str)]:
            raise Refused(f"{name} must map layer names to values, got the name {brief(bad[0])}")
        return tuple((key, self.item.check(f"{name}[{key}]", pairs[key])) for key in sorted(pairs))

    def parse(self, text: str) -> Any:
        pairs = [part.partition(":") for part in text.split("+") if part]
        return {layer: self.item.parse(value) for layer, _, value in pairs}


Spec: TypeAlias = Range | Choice | Switch | ModelName | PerLayer
Layers: TypeAlias = tuple[tuple[str, Any], ...]
"""The type of a `PerLayer` field: sorted pairs of layer name and value."""


@dataclass(frozen=True)
class Field:
    """One declared field."""

    name: str
    spec: Spec
    default: Any


@dataclass(frozen=True, kw_only=True)
class Declared(ABC):
    """A frozen value whose fields are declared with a spec each, and checked when it is made."""

    name: ClassVar[str]

    def __post_init__(self) -> None:
        for item in self.fields():
            value = item.spec.check(f"{self.name}.{item.name}", getattr(self, item.name))
            object.__setattr__(self, item.name, value)

    @classmethod
    def fields(cls) -> tuple[Field, ...]:
        """Return the declared fields in order."""
        return _fields(cls)

    @classmethod
    def parse(cls, settings: str) -> Self:
        """Make one from `field=value,field=value`; raises `Refused`."""
        known = {item.name: item for item in cls.fields()}
        values = {}
        for part in filter(None, settings.split(",")):
            key, equals, text = part.partition("=")
            if key not in known or not equals:
                raise Refused(f"{cls.name} takes {', '.join(f'{k}=...' for k in known)}, got {part!r}")
            try:
                values[key] = known[key].spec.parse(text)
            except Refused as refusal:
                raise Refused(f"{cls.name}.{key}: {refusal}") from None
        return cls(**values)


@functools.cache
def _fields(cls: type[Declared]) -> tuple[Field, ...]:
    hints = get_type_hints(cls, include_extras=True)
    result = []
    for item in dataclasses.fields(cls):
        hint = hints[item.name]
        specs = [x for x in get_args(hint) if isinstance(x, Spec)] if get_origin(hint) is Annotated else []
        if len(specs) != 1 or item.default is dataclasses.MISSING:
            raise TypeError(f"{cls.__name__}.{item.name} needs a default and exactly one of Range, Choice, ...")
        result.append(Field(item.name, specs[0], item.default))
    if not result:
        raise TypeError(f"{cls.__name__} declares no field: it needs at least one, or it has nothing to set")
    return tuple(result)


def show(spec: Spec, value: Any) -> str:
    """Return the value of a field in words."""
    if isinstance(spec, Range) and spec.percent:
        return f"{100 * value:.4g} %"
    if isinstance(spec, PerLayer):
        return " ".join(f"{layer}:{show(spec.item, x)}" for layer, x in value) or "none"
    if isinstance(spec, Switch):
        return "on" if value else "off"
    return f"{value:.4g}" if isinstance(value, float) else str(value)
