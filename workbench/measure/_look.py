"""What is known of a network after some of the test images: of the images themselves, and of others like these."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypedDict

from torch import Tensor

from workbench.measure._answers import Answers
from workbench.measure._intervals import Interval, added, difference, finite, paired, wilson
from workbench.measure._strata import Guesses

FLIPS = 12
"""How many flips a look tells of at the most."""


class Flip(TypedDict):
    """A test image that one of the two networks has right and the other wrong: its index, and classes by number."""

    index: int
    label: int
    was: int
    now: int


@dataclass(frozen=True, kw_only=True)
class Known:
    """A number with two 95 % intervals."""

    value: float
    whole: Interval
    """Where it may lie on the whole test set; a point once every image was run."""
    shown: Interval
    """Where it may lie on new images of the same kind."""


@dataclass(frozen=True, kw_only=True)
class Look:
    """What is known of a network after `n` of the test images."""

    n: int
    of: int
    accuracy: Known
    change: Known
    """Accuracy less that of the original on the same images."""
    broken: int
    """Images with a NaN among their scores."""
    flips: tuple[Flip, ...]


def counted(ours: Answers, original: Answers, order: Tensor, n: int) -> Look:
    """Return a look at the first n images of a random order, all of them perhaps."""
    images, total = order[:n], len(order)
    right, before = ours.right[images], original.right[images]
    hits, gains, losses = (int(found.sum()) for found in (right, right & ~before, before & ~right))
    gain, loss, change = gains / n, losses / n, (gains - losses) / n
    whole = difference(gain, finite(gains, n, total), loss, finite(losses, n, total)) if n < total else (change, change)
    return Look(
        n=n,
        of=total,
        accuracy=Known(value=hits / n, whole=finite(hits, n, total), shown=wilson(hits, n)),
        change=Known(value=change, whole=whole, shown=paired(gain, loss, n)),
        broken=int(ours.broken[images].sum()),
        flips=_flips(ours, original, order),
    )


def guessed(ours: Answers, original: Answers, order: Tensor, guesses: Guesses) -> Look:
    """Return a look at images that were chosen by stratum: what was run is counted, what was not is guessed.

    For new images of the same kind, the whole test set is itself a sample: that uncertainty is added.
    """
    total = len(order)
    lost, gained = ours.known & original.right & ~ours.right, ours.right & ~original.right
    (loss, losses), (gain, gains) = (
        ((k + guess.flips) / total, ((k + guess.interval[0]) / total, (k + guess.interval[1]) / total))
        for k, guess in ((int(lost.sum()), guesses.losses), (int(gained.sum()), guesses.gains))
    )
    before, change = int(original.right.sum()) / total, gain - loss
    low, high = difference(gain, gains, loss, losses)
    accuracy = min(1.0, max(0.0, before + change))
    whole = max(0.0, before + low), min(1.0, before + high)
    like_these = wilson(accuracy * total, total), paired(gain, loss, total)
    return Look(
        n=int(ours.known.sum()),
        of=total,
        accuracy=Known(value=accuracy, whole=whole, shown=_within(0.0, added(accuracy, whole, like_these[0]))),
        change=Known(value=change, whole=(low, high), shown=_within(-1.0, added(change, (low, high), like_these[1]))),
        broken=int(ours.broken.sum()),
        flips=_flips(ours, original, order),
    )


def _within(least: float, interval: Interval) -> Interval:
    return max(least, interval[0]), min(1.0, interval[1])


def _flips(ours: Answers, original: Answers, order: Tensor) -> tuple[Flip, ...]:
    """Return the first flips in the random order: a fair sample, and the same in the end whatever was run first."""
    images = order[(ours.known & (ours.right != original.right))[order]][:FLIPS]
    columns = (images, ours.labels[images], original.answer[images], ours.answer[images])
    return tuple(
        Flip(index=i, label=y, was=a, now=b) for i, y, a, b in zip(*(c.tolist() for c in columns), strict=True)
    )
