"""Accuracy on the test images: a first answer after a few of them, then answers on more."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, final

from workbench.measure._answers import answers
from workbench.measure._classes import by_class
from workbench.measure._stream import stream
from workbench.measuring import Measure, Reading, Subject
from workbench.registry import measures
from workbench.result import Estimate


@final
class Accuracy(Measure):
    """The share of test images whose highest score is that of their class.

    A compressed network is measured where it may differ from its original, whose accuracy is known exactly: few images
    then say much. Each reading holds, whatever was seen before it. Its interval says how far the accuracy on new images
    of the same kind may lie; that on the whole test set is in the details, and shrinks to a point with the last
    reading, which is of every test image. A score that is NaN counts as wrong, and ties go to the first class.
    """

    name = "accuracy"
    title = "Accuracy"
    summary = "The share of test images that the network puts in the right class, with its 95 % interval."
    better = "higher"
    unit = "fraction"

    def read(self, subject: Subject) -> Iterator[Reading]:
        for look in stream(subject):
            low, high = look.accuracy.shown
            estimate = Estimate(value=look.accuracy.value, low=low, high=high, n=look.n, how="measured", unit=self.unit)
            details: dict[str, Any] = {"images": look.n, "of": look.of, "whole_set": list(look.accuracy.whole)}
            if subject.original is not None:
                details["flips"] = list(look.flips)
                if look.n == look.of:
                    names = subject.about.get("classes", ())
                    details["classes"] = by_class(answers(subject), answers(subject.original), names)
            told = f"scores are NaN on {look.broken} of {look.n} test images, which count as wrong"
            yield Reading(estimate, details, (told,) if look.broken else (), final=look.n == look.of)


measures.register(Accuracy())
