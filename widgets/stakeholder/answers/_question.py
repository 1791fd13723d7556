"""What a question is, and what its answer is made from."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from workbench.briefing.versions import Family, Version
from workbench.registry import Registry


@dataclass(frozen=True, kw_only=True)
class Wishes:
    """What a visitor sets."""

    accepted: float = 0.02
    """The share of images that may be lost, at the worse end of the interval."""
    requests_per_day: int = 100_000
    device: str = "laptop"
    """By the name of its file; where the network does not run there, the answer says so."""
    usd_per_kwh: float = 0.2


@dataclass(frozen=True, kw_only=True)
class Asked:
    """What an answer is about."""

    family: Family
    chosen: Version
    """The smallest version that surely loses no more than is accepted."""
    wishes: Wishes

    @property
    def original(self) -> Version:
        """What the chosen version was made from."""
        return self.family.original


@dataclass(frozen=True, kw_only=True)
class Question:
    """One question, and who answers it."""

    name: str
    text: str
    place: int
    """Questions are asked in the order of these numbers, which leave room between them."""
    tell: Callable[[Asked], str]
    """Returns the answer as HTML; where it raises `Refused`, the page says that it is not known, and why."""
    on_device: bool = False
    """Whether the answer depends on device, requests and price."""


asking: Registry[Question] = Registry("question", "widgets.stakeholder.answers")
