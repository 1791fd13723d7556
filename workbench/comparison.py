"""What two rows differ in, and whether that is known from the same images, one by one."""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass

from workbench.recipe import Recipe
from workbench.result import Estimate, Result

_EQUAL = 1e-9


@dataclass(frozen=True, kw_only=True)
class Difference:
    """The accuracy of one row less that of another."""

    estimate: Estimate
    paired: bool
    """Whether both networks were compared image by image. Otherwise the interval is that of two independent
    measurements, wider than it would have to be where both saw the same images."""


def difference(first: Result, other: Result) -> Difference | None:
    """Return by how much another row is more accurate than a first one; None where they saw other images.

    Rows keep no answers to single images, so only a difference from the original itself is paired: each row was
    compared with its own when it was measured. Any other one is that of Newcombe (1998, method 10,
    https://doi.org/10.1002/(SICI)1097-0258(19980430)17:8%3C873::AID-SIM779%3E3.0.CO;2-I): from how far each of the two
    intervals reaches towards the other value.
    """
    a, b = first.estimates.get("accuracy"), other.estimates.get("accuracy")
    if a is None or b is None or _images(first) != _images(other):
        return None
    value = b.value - a.value
    for base, row, sign in ((first, other, 1), (other, first, -1)):
        change = row.estimates.get("change")
        # the same job, and as accurate as that original was: a file that was written anew may have changed the weights
        is_original = not base.job.recipe.steps and dataclasses.replace(row.job, recipe=Recipe()) == base.job
        if is_original and change is not None and abs(sign * change.value - value) < _EQUAL:
            low, high = sorted((sign * change.low, sign * change.high))
            return Difference(estimate=dataclasses.replace(change, value=value, low=low, high=high), paired=True)
    low = value - math.hypot(b.value - b.low, a.high - a.value)
    high = value + math.hypot(b.high - b.value, a.value - a.low)
    estimate = Estimate(value=value, low=low, high=high, how="measured", unit=a.unit, n=a.n)
    return Difference(estimate=estimate, paired=False)


def _images(row: Result) -> tuple[object, ...]:
    job = row.job
    return (job.test_data or job.data).name, row.estimates["accuracy"].n
