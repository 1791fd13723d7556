"""What a measure is: one number about a network, perhaps in several steps, each on more images."""

from __future__ import annotations

import functools
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

from torch import nn

from workbench.context import Cache, Report, ignore
from workbench.export.packed import Packed, pack
from workbench.images import View
from workbench.result import Estimate


@dataclass(frozen=True, kw_only=True)
class Subject:
    """What is measured: a network in evaluation mode, the test images as it reads them, the seed of their order."""

    model: nn.Module
    test: View
    seed: int = 0
    report: Report = ignore
    about: Mapping[str, Any] = field(default_factory=dict)
    """What the packed file says of the network besides its weights: plain JSON."""
    original: Subject | None = None
    """The network before the recipe, on the same images; None where this is the original itself."""
    shared: Cache = field(default_factory=Cache, compare=False)
    """What measures of one subject work out once and share, such as the answers on the test images."""

    @functools.cached_property
    def packed(self) -> Packed:
        """The file of the network, written once however many measures ask for it."""
        return pack(self.model, self.about)


@dataclass(frozen=True)
class Reading:
    """An estimate with the plain JSON behind it, and sentences that its reader should know."""

    estimate: Estimate
    details: Mapping[str, Any] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    final: bool = True
    """Whether none follows that stands on more."""


class Measure(ABC):
    """One metric. A subclass is final; an instance is registered."""

    name: ClassVar[str]
    title: ClassVar[str]
    summary: ClassVar[str]
    better: ClassVar[str]
    """`higher` or `lower`."""
    unit: ClassVar[str] = ""
    """What is counted; `fraction` for a share in [0, 1], which a person is shown as percent."""

    @abstractmethod
    def read(self, subject: Subject) -> Iterator[Reading]:
        """Yield at least one reading; each further one stands on at least as many images, only the last is final."""
