"""Times of several calls, measured in turns so that whatever disturbs the machine disturbs all of them alike.

Each round times every call once, in an order that is drawn anew, and one small yardstick of a constant amount of work.
A time is the median over the rounds: a few disturbed rounds do not move it. Its 95 % interval is that of a median,
by ranks (Hahn and Meeker 1991, https://doi.org/10.1002/9780470316771, section 5.2), which assumes nothing of how times
are distributed. Two times are compared by the median of their ratio round by round. How far the yardstick scatters
tells whether the machine was quiet enough for any of it.
"""

from __future__ import annotations

import math
import random
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import torch

from workbench.context import Progress, Report, ignore
from workbench.errors import Refused
from workbench.result import Estimate
from workbench.timing.turn import turn

NOISY = 1.2
"""Above which ratio of the yardstick's upper quartile to its lower one the machine was too busy to tell."""
_SECONDS = 2.0
_LEAST, _MOST = 15, 400
_WARM_UPS = 3
_SAMPLE_SECONDS = 1e-3
"""A call is repeated until a sample takes so long: shorter ones would time the clock."""
_ALONE = 0.95
_SQUARE = torch.ones(320, 320)


@dataclass(frozen=True, kw_only=True)
class Times:
    """What a measurement found: samples in ms by name, all of the same rounds."""

    samples: Mapping[str, tuple[float, ...]]
    yardstick: tuple[float, ...]

    @property
    def rounds(self) -> int:
        """How many samples each call has."""
        return len(self.yardstick)

    @property
    def noise(self) -> float:
        """The upper quartile of the yardstick's times over the lower: 1 on a machine that does nothing else."""
        ordered = sorted(self.yardstick)
        return ordered[math.ceil(0.75 * len(ordered)) - 1] / ordered[len(ordered) // 4]

    @property
    def noisy(self) -> bool:
        """Whether the machine was too busy for its times to be trusted."""
        return self.noise > NOISY

    def estimate(self, name: str) -> Estimate:
        """Return the median time of a call in ms."""
        return median(self.samples[name], "ms")

    def ratio(self, name: str, base: str) -> Estimate:
        """Return how many times as long `name` takes as `base`, round by round."""
        pairs = zip(self.samples[name], self.samples[base], strict=True)
        return median([mine / other for mine, other in pairs], "ratio")


def median(samples: Iterable[float], unit: str) -> Estimate:
    """Return the median of independent samples with its interval by ranks; with five or fewer that is their range."""
    ordered = sorted(samples)
    n = len(ordered)
    if not n:
        raise Refused("a median needs at least one sample, got none")
    middle = (ordered[(n - 1) // 2] + ordered[n // 2]) / 2
    below = _rank(n)
    return Estimate(value=middle, low=ordered[below], high=ordered[n - 1 - below], how="measured", unit=unit, n=n)


def _rank(n: int) -> int:
    """Return the largest rank whose order statistics hold the median between them with 95 % confidence."""
    outside, rank = 0.0, 0
    for k in range(n // 2):
        outside += math.comb(n, k) / 2**n
        if 2 * outside > 1 - _ALONE:
            break
        rank = k
    return rank


def measured(
    calls: Mapping[str, Callable[[], Any]],
    *,
    seconds: float = _SECONDS,
    once: bool = False,
    report: Report = ignore,
    seed: int = 0,
) -> Times:
    """Time the calls in turns for about so many seconds, at least 15 rounds, while nobody else measures.

    A sample of a call of less than a millisecond is the mean of several, unless each is to be made `once`. Cancelled
    between two calls, by what `report` raises.
    """
    if not calls:
        raise Refused("there is nothing to time: expected at least one call")
    with turn(report):
        for call in calls.values():
            for _ in range(_WARM_UPS):
                call()
        repeats = {name: 1 if once else _repeats(call) for name, call in calls.items()}
        samples: dict[str, list[float]] = {name: [] for name in calls}
        yardstick: list[float] = []
        order, draw = list(calls), random.Random(seed)  # noqa: S311  # only the order of the calls hangs on it
        start = time.perf_counter()
        while len(yardstick) < _MOST:
            spent = time.perf_counter() - start
            if spent >= seconds and len(yardstick) >= _LEAST:
                break
            draw.shuffle(order)
            for name in order:
                report(Progress(min(1.0, spent / seconds), f"timing, round {len(yardstick) + 1}"))
                if not once:  # what ran before has emptied the caches, which would weigh more on fewer repeats
                    calls[name]()
                samples[name].append(_sample(calls[name], repeats[name]))
            yardstick.append(_sample(_yardstick, 1))
    return Times(samples={name: tuple(found) for name, found in samples.items()}, yardstick=tuple(yardstick))


def _repeats(call: Callable[[], Any]) -> int:
    once = min(_sample(call, 1) for _ in range(_WARM_UPS)) / 1000
    return max(1, min(1000, math.ceil(_SAMPLE_SECONDS / max(once, 1e-7))))


def _sample(call: Callable[[], Any], repeats: int) -> float:
    """Return the milliseconds of one call."""
    start = time.perf_counter()
    for _ in range(repeats):
        call()
    return 1000 * (time.perf_counter() - start) / repeats


def _yardstick() -> torch.Tensor:
    """A millisecond or so of work that is always the same, and that like a network leaves the interpreter alone."""
    return torch.mm(_SQUARE, _SQUARE)
