"""The words in which `_tape` says what a network computes, and from which `_script` writes code."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

from torch import Tensor

from workbench.activations import ActivationFormat


@dataclass(frozen=True)
class Value:
    """What a call puts out, by its number, or one item of it; 0 is the input of the network."""

    number: int
    item: int | None = None


@dataclass(frozen=True)
class Member:
    """A parameter or buffer of the network by its name."""

    name: str


@dataclass(frozen=True)
class Constant:
    """A tensor that no call has made and that is no member, such as one that a class keeps beside its buffers."""

    number: int


@dataclass(frozen=True)
class Batch:
    """A multiple of the number of images."""

    factor: int


Argument: TypeAlias = Any
"""A `Value`, `Member`, `Constant`, `Batch` or plain value, or a tuple, list, slice or mapping of these."""


@dataclass(frozen=True)
class Call:
    """One call: of the module `name`, or of the torch function `name`, such as torch.nn.functional.relu."""

    name: str
    arguments: tuple[Argument, ...]
    options: Mapping[str, Argument]
    block: str
    """The part of the network that it belongs to, such as a residual block; "" for none."""
    of_module: bool = False
    rounding: ActivationFormat | None = None
    """Set where the call rounds its argument, in which case it has no name."""


@dataclass(frozen=True)
class Tape:
    """The calls in order; call k puts out value k + 1."""

    calls: tuple[Call, ...]
    output: Argument
    constructors: Mapping[str, str]
    """How the modules are made that are called, by name."""
    constants: tuple[Tensor, ...]
