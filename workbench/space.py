"""Architecture spaces: networks of one family, each a small frozen value that says how it is built.

A space declares what may vary like a technique declares its settings:

    width: Annotated[int, Range(4, 24, 4, "channels of the first stage")] = 16

From that line follow the check at construction, the name of the network, what a search tries, and the form of the page.
A point of a space is an ordinary network of the zoo under its name, `digits-space:depth=2,width=16,...`.
"""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from random import Random
from typing import TYPE_CHECKING, Any, ClassVar, Self

from workbench.cards import Shape, Training
from workbench.errors import Refused
from workbench.fields import Choice, Declared, Field, Range, Switch

if TYPE_CHECKING:
    from torch import nn


@dataclass(frozen=True, kw_only=True)
class Space(Declared):
    """One network of a family. A subclass is final, declares what may vary, and builds.

    Fields are a `Range` of whole numbers, a `Choice` or a `Switch`, whose values can be counted.
    """

    title: ClassVar[str]
    summary: ClassVar[str]
    paper: ClassVar[str]
    data: ClassVar[tuple[str, ...]]
    """Data sets that the family is meant for; the first is the one it is searched on by default."""
    input_shape: ClassVar[Shape]
    mean: ClassVar[tuple[float, ...]]
    std: ClassVar[tuple[float, ...]]
    training: ClassVar[Training]
    """How a network of the family is trained fully."""
    nested: ClassVar[bool] = False
    """Whether each network is a part of the largest one: its parameters have the same names, and are the first
    channels, the centre of the kernel, the first blocks of those of the largest. Then one network can train them all
    (`workbench.search.supernet`)."""

    @abstractmethod
    def build(self, classes: int) -> nn.Module:
        """Return the network with fresh weights."""

    @property
    def spelled(self) -> str:
        """The name of the network in the zoo: every field, so that defaults may change later."""
        return f"{self.name}:{','.join(f'{f.name}={_text(getattr(self, f.name))}' for f in self.fields())}"

    @classmethod
    def spelt(cls, settings: str) -> Self:
        """Return the network of what follows `NAME:`; raises `Refused` unless each field is given, in order."""
        point = cls.parse(settings)
        if point.spelled != f"{cls.name}:{settings}":  # one network has one name, under which its weights are kept
            raise Refused(f"a network of {cls.name} is named by all its fields in order: use {point.spelled}")
        return point

    def to_dict(self) -> dict[str, Any]:
        """Return the fields as plain JSON."""
        return {field.name: getattr(self, field.name) for field in self.fields()}


def _text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def values(field: Field) -> tuple[Any, ...]:
    """Return all values of a field, numbers in ascending order. Raises `TypeError` where they cannot be counted."""
    match field.spec:
        case Range(low=int(low), high=int(high), step=int(step)):
            return tuple(range(low, high + 1, step))
        case Choice(options=options):
            numbers = all(isinstance(option, (int, float)) for option in options)
            return tuple(sorted(options)) if numbers else options
        case Switch():
            return False, True
    raise TypeError(f"{field.name} of a space needs a Range of whole numbers, a Choice or a Switch")


@dataclass(frozen=True, kw_only=True)
class Region:
    """The part of a space that a search may use: the values of each field, in ascending order."""

    space: type[Space]
    values: tuple[tuple[Any, ...], ...]

    @classmethod
    def of(cls, space: type[Space], only: Mapping[str, Sequence[Any]] | None = None) -> Region:
        """Return a space, some of its fields limited to `only` some values. Raises `Refused` where none is left."""
        only = dict(only or {})
        known = {field.name: field for field in space.fields()}
        if unknown := [name for name in only if name not in known]:
            raise Refused(f"{space.name} has the fields {', '.join(known)}, got {unknown[0]!r}")
        found = []
        for name, field in known.items():
            there = values(field)
            wanted = [field.spec.check(f"{space.name}.{name}", value) for value in only.get(name, there)]
            left = tuple(value for value in there if value in wanted)
            if len(left) < len(set(wanted)):
                raise Refused(f"{space.name}.{name} must be among {_listed(there)}, got {_listed(wanted)}")
            if not left:
                raise Refused(
                    f"{name} has no value left, so the space is empty: allow at least one of {_listed(there)}"
                )
            found.append(left)
        return cls(space=space, values=tuple(found))

    @property
    def size(self) -> int:
        """How many networks there are."""
        return math.prod(map(len, self.values))

    @cached_property
    def names(self) -> tuple[str, ...]:
        """The names of the fields."""
        return tuple(field.name for field in self.space.fields())

    def point(self, places: Sequence[int]) -> Space:
        """Return the network with the value of each field at these places."""
        chosen = (there[place] for there, place in zip(self.values, places, strict=True))
        return self.space(**dict(zip(self.names, chosen, strict=True)))

    def at(self, number: int) -> Space:
        """Return network `number`, from 0 to `size` - 1."""
        places = []
        for there in self.values:
            number, place = divmod(number, len(there))
            places.append(place)
        return self.point(places)

    @property
    def smallest(self) -> Space:
        """The network with the first value of each field."""
        return self.point([0] * len(self.values))

    @property
    def largest(self) -> Space:
        """The network with the last value of each field."""
        return self.point([len(there) - 1 for there in self.values])

    def shuffled(self, seed: int) -> Iterator[Space]:
        """Yield all networks once, in an order drawn by seed; the first of them are a fair sample."""
        generator, seen = Random(seed), set[int]()  # noqa: S311  # nothing here is a secret
        while len(seen) < self.size // 2:
            number = generator.randrange(self.size)
            if number not in seen:
                seen.add(number)
                yield self.at(number)
        rest = [number for number in range(self.size) if number not in seen]
        generator.shuffle(rest)
        yield from map(self.at, rest)


def _listed(found: Sequence[Any]) -> str:
    return ", ".join(map(_text, found)) or "nothing"
