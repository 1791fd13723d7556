"""Recipes: what is done to a network, as small frozen values that travel as JSON.

A technique is a `Step`: a frozen dataclass whose fields say, once, what they allow:

    ratio: Annotated[float, Range(0, 0.98, 0.01, "share of the weights set to zero")] = 0.5

From that line follow the check at construction, the slider, the JSON, the command-line help and the search range.
A `Recipe` is a tuple of steps; their order is the order in which they are applied.

Fractions are in [0, 1], never percent.
"""

from __future__ import annotations

import dataclasses
import functools
import hashlib
import json
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from reprlib import repr as brief
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, TypeAlias, get_args, get_origin, get_type_hints

from workbench.errors import Refused
from workbench.registry import techniques

if TYPE_CHECKING:
    from torch import nn

    from workbench.context import Context

FORMAT = 1
"""Version of the JSON form; raised when an older workbench could misread a newer file."""


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
        return {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}.get(text.lower(), text)


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
    """One declared field of a step."""

    name: str
    spec: Spec
    default: Any


@dataclass(frozen=True)
class Control:
    """The control arm of a step: the same step with what is claimed to help taken out."""

    title: str
    changes: Mapping[str, Any] = field(hash=False)


@dataclass(frozen=True, kw_only=True)
class Step(ABC):
    """One technique with its settings. A subclass is final, declares its fields with a spec, and has one method."""

    name: ClassVar[str]
    title: ClassVar[str]
    summary: ClassVar[str]
    paper: ClassVar[str]
    hurts_when: ClassVar[str]
    order: ClassVar[int]
    """Where the step goes in a recipe that was put together with sliders; a written recipe may use any order."""
    trains: ClassVar[bool] = False
    """True where applying takes many passes over the data, so that it waits for a button instead of a slider."""
    control: ClassVar[Control | None] = None
    flags: ClassVar[Mapping[str, str]] = {}
    """Short command-line options, by the field that they set: {"prune": "ratio"}."""

    def __post_init__(self) -> None:
        for item in self.fields():
            value = item.spec.check(f"{self.name}.{item.name}", getattr(self, item.name))
            object.__setattr__(self, item.name, value)

    @abstractmethod
    def apply(self, model: nn.Module, ctx: Context) -> nn.Module:
        """Return a changed copy of `model`; the argument itself is never touched."""

    @classmethod
    def fields(cls) -> tuple[Field, ...]:
        """Return the declared fields in order."""
        return _fields(cls)

    @classmethod
    def parse(cls, settings: str) -> Step:
        """Make a step from `field=value,field=value`; raises `Refused`."""
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

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON form: the name and every field, defaults included, so that defaults may change later."""
        values = {item.name: getattr(self, item.name) for item in self.fields()}
        return {"step": self.name} | {k: dict(v) if isinstance(v, tuple) else v for k, v in values.items()}

    def __str__(self) -> str:
        first, *rest = self.fields()
        changed = [first, *(item for item in rest if getattr(self, item.name) != item.default)]
        return (
            f"{self.title.lower()} ({', '.join(f'{i.name} {_show(i.spec, getattr(self, i.name))}' for i in changed)})"
        )


@functools.cache
def _fields(cls: type[Step]) -> tuple[Field, ...]:
    hints = get_type_hints(cls, include_extras=True)
    result = []
    for item in dataclasses.fields(cls):
        hint = hints[item.name]
        specs = [x for x in get_args(hint) if isinstance(x, Spec)] if get_origin(hint) is Annotated else []
        if len(specs) != 1 or item.default is dataclasses.MISSING:
            raise TypeError(f"{cls.__name__}.{item.name} needs a default and exactly one of Range, Choice, ...")
        result.append(Field(item.name, specs[0], item.default))
    if not result:
        raise TypeError(f"{cls.__name__} declares no field: a step needs at least one, or it has nothing to set")
    return tuple(result)


def _show(spec: Spec, value: Any) -> str:
    if isinstance(spec, Range) and spec.percent:
        return f"{100 * value:.4g} %"
    if isinstance(spec, PerLayer):
        return " ".join(f"{layer}:{_show(spec.item, x)}" for layer, x in value) or "none"
    return f"{value:.4g}" if isinstance(value, float) else str(value)


@dataclass(frozen=True)
class Recipe:
    """Steps, applied from first to last."""

    steps: tuple[Step, ...] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "steps", tuple(self.steps))
        if bad := [step for step in self.steps if not isinstance(step, Step)]:
            raise Refused(f"a recipe is made of steps such as {', '.join(techniques.names())}, got {bad[0]!r}")

    @property
    def trains(self) -> bool:
        """Whether any step trains, so that the recipe takes longer than a slider may."""
        return any(step.trains for step in self.steps)

    def control(self) -> tuple[str, Recipe] | None:
        """Return title and recipe of the control arm of the last step that has one; None where this is it."""
        for index in reversed(range(len(self.steps))):
            step = self.steps[index]
            if step.control is not None:
                other = dataclasses.replace(step, **step.control.changes)
                steps = (*self.steps[:index], other, *self.steps[index + 1 :])
                return None if other == step else (step.control.title, Recipe(steps))
        return None

    @property
    def is_control(self) -> bool:
        """Whether some step of this recipe is its own control arm."""
        return any(
            step.control is not None and all(getattr(step, k) == v for k, v in step.control.changes.items())
            for step in self.steps
        )

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON form as a dictionary."""
        return {"format": FORMAT, "steps": [step.to_dict() for step in self.steps]}

    def to_json(self) -> str:
        """Return the JSON form: the same text for equal recipes."""
        return json.dumps(self.to_dict(), indent=2, sort_keys=True)

    @classmethod
    def from_dict(cls, content: Any) -> Recipe:
        """Read the JSON form; raises `Refused` for a newer version, an unknown step, field or value."""
        if not isinstance(content, dict) or not isinstance(content.get("steps"), list):
            raise Refused('a recipe is an object {"format": 1, "steps": [...]}, got something else')
        version = content.get("format")
        if not isinstance(version, int) or isinstance(version, bool) or version < 1:
            raise Refused(f"a recipe names its format, a whole number from 1 to {FORMAT}, got {brief(version)}")
        if version > FORMAT:
            raise Refused(f"this recipe has format {version}, this workbench reads up to {FORMAT}: please update it")
        return cls(tuple(_read_step(item) for item in content["steps"]))

    @classmethod
    def from_json(cls, text: str) -> Recipe:
        """Read the JSON form; raises `Refused`."""
        try:
            content = json.loads(text)
        except (ValueError, RecursionError) as error:  # a number of too many digits is a plain ValueError
            raise Refused(f"a recipe is a JSON object, this text is not JSON: {error}") from None
        return cls.from_dict(content)

    def __str__(self) -> str:
        return " → ".join(map(str, self.steps)) or "original"


def _read_step(item: Any) -> Step:
    if not isinstance(item, dict) or not isinstance(item.get("step"), str):
        raise Refused(f'each step of a recipe is an object {{"step": NAME, ...}}, got {brief(item)}')
    cls = techniques.get(item["step"])
    values = {key: value for key, value in item.items() if key != "step"}
    known = [item.name for item in cls.fields()]
    if unknown := [key for key in values if key not in known]:
        raise Refused(f"{cls.name} has the fields {', '.join(known)}, got {brief(unknown[0])}")
    return cls(**values)


def digest(content: Any) -> str:
    """Return the SHA-256 of the canonical JSON of plain content, as 64 hexadecimal digits."""
    text = json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()
