"""What an export format is: one way to write a network into one file that runs elsewhere, and to run that file."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, TypeAlias

from torch import Tensor, nn

from workbench.context import Report, ignore

Runner: TypeAlias = Callable[[Tensor], Tensor]
"""From preprocessed images [N, C, H, W] to scores [N, K], both float32 on the CPU; any N of at least 1."""


@dataclass(frozen=True, kw_only=True)
class Source:
    """What is exported: the network as the preview ran it, and what a reader of the file should know."""

    model: nn.Module
    """In evaluation mode on the CPU; no format may change it."""
    example: Tensor
    """Two preprocessed images [2, C, H, W]."""
    build: Callable[[str], nn.Module]
    """Builds a network of the model zoo by name with fresh weights, for formats that store only what changed."""
    about: Mapping[str, Any] = field(default_factory=dict)
    """Plain JSON: `input` (shape, mean, std) and `classes`."""
    recipe: Mapping[str, Any] = field(default_factory=dict)
    """Plain JSON: the job, and hashes of the weights and data that it started from."""
    report: Report = ignore
    """Is told of progress, and raises `Cancelled` to stop; a call into a library can only be stopped after it."""


class Format(ABC):
    """One file format. A subclass is final; an instance is registered."""

    name: ClassVar[str]
    title: ClassVar[str]
    summary: ClassVar[str]
    suffix: ClassVar[str]
    """Of the file, with its dot."""
    runtime: ClassVar[str]
    """What runs the file, in words."""
    exact: ClassVar[bool] = False
    """Whether the file must give the very scores of the preview; the others may differ by rounding."""
    hurts_when: ClassVar[str] = ""
    """What a person should know before choosing it."""

    @abstractmethod
    def write(self, source: Source, path: Path) -> None:
        """Write the file; the caller gives a path for it alone, and removes it where this fails.

        Raises `Refused` with the layer or operator that the format does not have and the way out, or naming the
        optional package that is missing and how to install it.
        """

    @abstractmethod
    def load(self, path: Path, source: Source) -> Runner:
        """Return what runs the file in its own runtime, on one thread. Raises `Refused`."""
