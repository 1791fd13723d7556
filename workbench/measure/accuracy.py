"""Accuracy on the test images: a first answer after a few of them, then answers on more."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import final

import torch
from torch import Tensor

from workbench.context import Progress
from workbench.errors import Refused
from workbench.measuring import Measure, Reading, Subject
from workbench.registry import measures
from workbench.result import Estimate

FIRST = 128
"""How many images stand behind the first reading; each further one has twice as many."""
BATCH = 128
_Z = 1.959963984540054
"""The standard normal quantile of 0.975."""


def wilson(hits: int, n: int) -> tuple[float, float]:
    """Return the 95 % interval (low, high) for the probability behind `hits` of `n`.

    Wilson's score interval stays within [0, 1] and is honest for few images and for rates near 0 and 1, where the
    usual `p +- 2 sigma` is not (Wilson 1927, https://doi.org/10.1080/01621459.1927.10502953; Brown, Cai and DasGupta
    2001, https://doi.org/10.1214/ss/1009213286). Raises `Refused` unless 0 <= hits <= n and n >= 1.
    """
    if not 0 <= hits <= n or n < 1:
        raise Refused(f"an interval needs 0 <= hits <= n and n >= 1, got {hits} hits of {n}")
    share = hits / n
    middle = (share + _Z**2 / (2 * n)) / (1 + _Z**2 / n)
    half = _Z / (1 + _Z**2 / n) * math.sqrt(share * (1 - share) / n + _Z**2 / (4 * n**2))
    # at the ends the formula is exact but for rounding, which must not leave the interval without the share itself
    return (0.0 if hits == 0 else max(0.0, middle - half)), (1.0 if hits == n else min(1.0, middle + half))


@final
class Accuracy(Measure):
    """The share of test images whose highest score is that of their class.

    The images come in a random order that depends on the seed alone, so that each reading is a fair sample and two
    networks with one seed are compared on the same images. The last reading is of every test image; its interval then
    says how far the accuracy on new images of the same kind may lie, not on these. A score that is NaN counts as wrong,
    and ties go to the first class.
    """

    name = "accuracy"
    title = "Accuracy"
    summary = "The share of test images that the network puts in the right class, with its 95 % interval."
    better = "higher"
    unit = "fraction"

    def read(self, subject: Subject) -> Iterator[Reading]:
        total = len(subject.test)
        if total == 0:
            raise Refused("accuracy needs at least one test image, got an empty test split")
        order = torch.randperm(total, generator=torch.Generator().manual_seed(subject.seed))
        done = hits = broken = 0
        while done < total:
            chunk = order[done : max(FIRST, 2 * done)]
            right, unreadable = _judge(subject, chunk, done)
            done, hits, broken = done + len(chunk), hits + right, broken + unreadable
            low, high = wilson(hits, done)
            notes = (f"scores are NaN on {broken} of {done} test images, which count as wrong",) if broken else ()
            estimate = Estimate(value=hits / done, low=low, high=high, n=done, how="measured", unit=self.unit)
            yield Reading(estimate, {"images": done, "of": total}, notes, final=done == total)


def _judge(subject: Subject, chunk: Tensor, done: int) -> tuple[int, int]:
    """Return how many images of a chunk are right, and how many have NaN among their scores."""
    right = unreadable = 0
    total = len(subject.test)
    for indices, inputs, labels in subject.test.batches(BATCH, chunk):
        with torch.inference_mode():
            scores = subject.model(inputs)
            nan = scores.isnan().any(1)
            right += int(((scores.argmax(1) == labels) & ~nan).sum())
            unreadable += int(nan.sum())
        done += len(indices)
        subject.report(Progress(done / total, f"accuracy: {done} of {total} images"))
    return right, unreadable


measures.register(Accuracy())
