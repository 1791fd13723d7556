"""Parts of the test images, such as classes: how each has changed, and whether by more than all other images.

It needs no torch, so that a page which runs no network can say it of stored counts.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from workbench.measure._intervals import paired, quantile, wilson
from workbench.result import Estimate


@dataclass(frozen=True, kw_only=True)
class Part:
    """Some of the images."""

    name: str
    images: int
    lost: int
    """Images that the network of before has right, and that of after wrong."""
    gained: int
    """Images that it is the other way round with."""
    before: Estimate
    """The share that is right, with an interval of its own."""
    after: Estimate
    change: Estimate
    """`after` less `before`; the intervals of all parts hold together."""
    beyond: Estimate | None
    """The change less that of all other images; the intervals of all parts hold together. None without others."""
    kind: str = "class"
    """What it is a part by: a class, or one of the traits of `traits`."""

    @property
    def right(self) -> int:
        """How many images are right now."""
        return round(self.after.value * self.images)

    @property
    def loses(self) -> bool:
        """Whether the part has surely lost, whatever all other images did."""
        return self.change.high < 0

    def falls(self, by: float = 0.0) -> bool:
        """Return whether the part has surely lost, and surely more than all other images by such a share."""
        return self.loses and self.beyond is not None and self.beyond.high < -by


def parts(columns: Mapping[str, Sequence[Any]], *, looks: int | None = None) -> tuple[Part, ...]:
    """Return parts that share out the images, those that lost most first; of equal ones the order stays.

    `columns` are `names`, `images`, `was`, `right`, `lost` and `gained`, as `measure._classes.by_class` counts them,
    perhaps with `kind`. `looks` is how many parts are looked at, where these are not all.
    """
    names = columns["names"]
    z = quantile(len(names) if looks is None else looks)
    kinds = columns.get("kind", ["class"] * len(names))
    numbers = [columns[title] for title in ("images", "was", "right", "lost", "gained")]
    total, _, _, all_lost, all_gained = map(sum, numbers)
    found = []
    for name, kind, n, was, right, lost, gained in zip(names, kinds, *numbers, strict=True):
        change = changed(lost, gained, n, z)
        rest = changed(all_lost - lost, all_gained - gained, total - n, z) if total > n else None
        found.append(
            Part(
                name=str(name),
                kind=str(kind),
                images=n,
                lost=lost,
                gained=gained,
                before=share(was, n),
                after=share(right, n),
                change=change,
                beyond=None if rest is None else _apart(change, rest),
            )
        )
    return tuple(sorted(found, key=lambda part: part.change.value))


def whole(found: Sequence[Part]) -> Part:
    """Return all images as one part, from parts that share them out."""
    n, lost, gained = (sum(getattr(part, field) for part in found) for field in ("images", "lost", "gained"))
    was = round(sum(part.before.value * part.images for part in found))
    return Part(
        name="all images, the mean",
        kind="whole",
        images=n,
        lost=lost,
        gained=gained,
        before=share(was, n),
        after=share(was + gained - lost, n),
        change=changed(lost, gained, n, quantile(1)),
        beyond=None,
    )


def share(hits: int, n: int) -> Estimate:
    """Return a share of images with its interval."""
    low, high = wilson(hits, n)
    return Estimate(value=hits / n, low=low, high=high, how="measured", unit="fraction", n=n)


def changed(lost: int, gained: int, n: int, z: float) -> Estimate:
    """Return the change of the share that is right, from the images that changed."""
    low, high = paired(gained / n, lost / n, n, z)
    return Estimate(value=(gained - lost) / n, low=low, high=high, how="measured", unit="fraction", n=n)


def _apart(one: Estimate, other: Estimate) -> Estimate:
    """Return one estimate less an independent one: each end is as far off as the ends that push it there, squared and
    added (Zou and Donner 2008, https://doi.org/10.1002/sim.3095).
    """
    value = one.value - other.value
    low = value - math.hypot(one.value - one.low, other.high - other.value)
    high = value + math.hypot(one.high - one.value, other.value - other.low)
    return Estimate(value=value, low=low, high=high, how="measured", unit="fraction", n=one.n)
