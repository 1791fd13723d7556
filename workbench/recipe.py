"""Recipes: what is done to a network, as small frozen values that travel as JSON.

A technique is a `Step`: a frozen dataclass whose fields say, once, what they allow:

    ratio: Annotated[float, Range(0, 0.98, 0.01, "share of the weights set to zero")] = 0.5

From that line follow the check at construction, the slider, the JSON, the command-line help and the search range.
A `Recipe` is a tuple of steps; their order is the order in which they are applied.

Fractions are in [0, 1], never percent.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from reprlib import repr as brief
from typing import TYPE_CHECKING, Any, ClassVar

from workbench.errors import Refused
from workbench.fields import Choice as Choice
from workbench.fields import Declared, show
from workbench.fields import Field as Field
from workbench.fields import Layers as Layers
from workbench.fields import ModelName as ModelName
from workbench.fields import PerLayer as PerLayer
from workbench.fields import Range as Range
from workbench.fields import Spec as Spec
from workbench.fields import Switch as Switch
from workbench.registry import techniques

if TYPE_CHECKING:
    from torch import nn

    from workbench.context import Context

FORMAT = 1
"""Version of the JSON form; raised when an older workbench could misread a newer file."""


@dataclass(frozen=True)
class Control:
    """The control arm of a step: the same step with what is claimed to help taken out."""

    title: str
    changes: Mapping[str, Any] = field(hash=False)


@dataclass(frozen=True, kw_only=True)
class Step(Declared):
    """One technique with its settings. A subclass is final, declares its fields with a spec, and has one method."""

    title: ClassVar[str]
    summary: ClassVar[str]
    paper: ClassVar[str]
    hurts_when: ClassVar[str]
    order: ClassVar[int]
    """Where the step goes in a recipe that was put together with sliders; a written recipe may use any order."""
    approximates: ClassVar[bool] = False
    """True where the network keeps its layers and the step tries to keep their outputs, so that later steps go on
    imitating the network before it; false after surgery and training, whose result is what later steps imitate."""
    trains: ClassVar[bool] = False
    """True where applying takes many passes over the data, so that it waits for a button instead of a slider."""
    control: ClassVar[Control | None] = None
    rewrites: ClassVar[bool] = False
    """True where the network computes the same as before with other weights, so that losses are measured from there."""
    neutral: ClassVar[Any] = None
    """The value of `slider` that changes nothing: that of a step which is there for the values of some layers alone."""
    slider: ClassVar[str] = ""
    """The field that a person drags, where positions of it are prepared in the background."""
    positions: ClassVar[tuple[Any, ...]] = ()
    """The values of `slider` that are prepared, those that people try first in front."""
    reach: ClassVar[float] = 0.0
    """How far from a value of `slider` a prepared position may stand in for it."""
    rivals: ClassVar[tuple[Mapping[str, Any], ...]] = ()
    """Settings between which "auto" chooses, by a contest on validation images; the first is the rule without one."""
    bout: ClassVar[Mapping[str, Any]] = {}
    """The settings at which the contest is held."""
    flags: ClassVar[Mapping[str, str]] = {}
    """Short command-line options, by the field that they set: {"prune": "ratio"}."""

    @abstractmethod
    def apply(self, model: nn.Module, ctx: Context) -> nn.Module:
        """Return a changed copy of `model`; the argument itself is never touched."""

    def neighbours(self) -> tuple[Step, ...]:
        """Return the prepared positions that may stand in for this one, the nearest first."""
        if not self.slider:
            return ()
        value = getattr(self, self.slider)
        near = [position for position in self.positions if abs(position - value) <= self.reach]
        near.sort(key=lambda position: abs(position - value))
        return tuple(dataclasses.replace(self, **{self.slider: position}) for position in near)

    def alone(self, layer: str, value: Any) -> Step:
        """Return the step for one layer alone: neutral for all others (see `overridable`)."""
        return dataclasses.replace(self, **{self.slider: self.neutral, "layers": {layer: value}})

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON form: the name and every field, defaults included, so that defaults may change later."""
        values = {item.name: getattr(self, item.name) for item in self.fields()}
        return {"step": self.name} | {k: dict(v) if isinstance(v, tuple) else v for k, v in values.items()}

    def __str__(self) -> str:
        first, *rest = self.fields()
        changed = [first, *(item for item in rest if getattr(self, item.name) != item.default)]
        return f"{self.title.lower()} ({', '.join(f'{i.name} {show(i.spec, getattr(self, i.name))}' for i in changed)})"


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
            raise Refused(f'a recipe needs "format": {FORMAT}, the number of how it is written, got {brief(version)}')
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


def overridable() -> list[type[Step]]:
    """Return the techniques whose slider a layer may have a value of its own for, in the order of recipes."""
    found = (t for t in techniques if t.neutral is not None and any(f.name == "layers" for f in t.fields()))
    return sorted(found, key=lambda technique: technique.order)


def place_(steps: list[Step], step: Step) -> None:
    """Put a new step among others where its technique belongs, in place."""
    steps.insert(next((i for i, other in enumerate(steps) if other.order > step.order), len(steps)), step)


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
