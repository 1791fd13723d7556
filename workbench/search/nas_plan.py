"""What a search for an architecture is asked: small frozen values, checked when they are made."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from reprlib import repr as brief
from typing import Any

from workbench.devices.profile import Profile
from workbench.devices.shelf import device
from workbench.errors import Refused
from workbench.registry import data, spaces, strategies
from workbench.result import DataRef
from workbench.search.counting import ON_DEVICE, costs
from workbench.search.strategy import Strategy
from workbench.space import Region

MOST_TRIALS = 1000


@dataclass(frozen=True, kw_only=True)
class Plan:
    """One search. Each arm judges up to `trials` networks; those beyond a limit are only counted, never trained."""

    space: str
    data: DataRef
    strategy: str = "nsga2"
    trials: int = 16
    objective: str = "size_bytes"
    limits: tuple[tuple[str, float], ...] = ()
    """The most of each cost that is allowed, by name."""
    device: str = ""
    """The name of a device on which networks must run and fit; none where it is empty."""
    only: Mapping[str, Sequence[Any]] = field(default_factory=dict, hash=False)
    """The values that some fields are limited to."""
    epochs: float = 4
    """How long each candidate is trained; a supernet has its own length."""
    seed: int = 0

    def __post_init__(self) -> None:
        object.__setattr__(self, "limits", tuple((name, float(most)) for name, most in self.limits))
        if not isinstance(self.trials, int) or not 1 <= self.trials <= MOST_TRIALS:
            raise Refused(f"trials must be a whole number in [1, {MOST_TRIALS}], got {brief(self.trials)}")
        if not isinstance(self.seed, int) or not 0 <= self.seed < 2**32:  # what Optuna's samplers take
            raise Refused(f"the seed must be a whole number in [0, 2^32), got {brief(self.seed)}")
        if not 0 < self.epochs <= 1000:
            raise Refused(f"epochs must be in (0, 1000], got {brief(self.epochs)}")
        for name in self.costs:
            if name not in costs():
                raise Refused(f"{name!r} is nothing that a network costs: choose from {', '.join(costs())}")
            if name in ON_DEVICE and not self.device:
                raise Refused(f"{name} is a matter of a device: name one, such as cortex-m7")
        _check_limits(self.limits)
        data.get(self.data.name)
        _ = self.region, self.profile, self.chosen  # each refuses what it does not know

    @property
    def costs(self) -> tuple[str, ...]:
        """What is counted of each network: the objective, then what is limited."""
        return tuple(dict.fromkeys((self.objective, *(name for name, _ in self.limits))))

    @cached_property
    def region(self) -> Region:
        """The networks that may be tried."""
        return Region.of(spaces.get(self.space), self.only)

    @cached_property
    def profile(self) -> Profile | None:
        """The device on which networks must run."""
        return device(self.device) if self.device else None

    @property
    def chosen(self) -> Strategy:
        """The strategy."""
        return strategies.get(self.strategy)

    def to_dict(self) -> dict[str, Any]:
        """Return the plan as plain JSON."""
        plain = {f.name: getattr(self, f.name) for f in dataclasses.fields(self)}
        plain |= {"data": self.data.name, "limits": dict(self.limits)}
        return plain | {"only": {name: list(values) for name, values in self.only.items()}}


def _check_limits(limits: tuple[tuple[str, float], ...]) -> None:
    seen: dict[str, float] = {}
    for name, most in limits:
        if not (math.isfinite(most) and most > 0):
            raise Refused(f"a limit must be a number above 0, got {name} at most {most:g}")
        if name in seen:
            raise Refused(f"{name} is limited twice, to {seen[name]:g} and to {most:g}: give one limit")
        seen[name] = most
