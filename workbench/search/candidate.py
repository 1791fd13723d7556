"""One network that a search has tried: a row, whether it kept the limits or not."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from workbench.result import Estimate, Status
from workbench.space import Space

Arm = Literal["search", "control"]


@dataclass(frozen=True, kw_only=True)
class Candidate:
    """What is known of one network. What is beyond a limit was counted and not judged."""

    point: Space
    arm: Arm
    number: int
    """Which one of its arm it is, from 1 on; those beyond a limit are not numbered and have 0."""
    status: Status = Status.OK
    message: str = ""
    estimates: Mapping[str, Estimate] = field(default_factory=dict, hash=False)
    """What it costs by name; `accuracy` and `cross_entropy` on validation images, where it was judged."""
    right: tuple[bool, ...] = field(default=(), repr=False)
    """By validation image, whether it was put in the right class: searches are compared on the same images."""
    seconds: float = 0.0
    """What judging it took; 0 where it was known from the other arm."""
    excess: float = 0.0
    """How far it is beyond the limits, as the sum of shares of each limit; 0 where it keeps them."""

    @property
    def name(self) -> str:
        """Its name in the model zoo."""
        return self.point.spelled

    @property
    def judged(self) -> bool:
        """Whether it has an accuracy."""
        return self.status is Status.OK

    def to_dict(self) -> dict[str, Any]:
        """Return a flat JSON object: value, low and high of each estimate by name."""
        row: dict[str, Any] = {"model": self.name, **self.point.to_dict(), "arm": self.arm, "number": self.number}
        row |= {"status": str(self.status), "message": self.message, "seconds": round(self.seconds, 2)}
        for name, estimate in self.estimates.items():
            row[name] = estimate.value
            if estimate.how != "counted":
                row |= {f"{name}_low": estimate.low, f"{name}_high": estimate.high}
        return row
