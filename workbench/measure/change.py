"""What a recipe costs in accuracy, on the same images as the original."""

from __future__ import annotations

from collections.abc import Iterator
from typing import final

from workbench.measure._stream import stream
from workbench.measuring import Measure, Reading, Subject
from workbench.registry import measures
from workbench.result import Estimate


@final
class Change(Measure):
    """The accuracy of a network less that of its original, both on the same test images.

    The two networks have most images right or wrong together, and only the others count: the interval is much narrower
    than those of the two accuracies suggest. It is about new images of the same kind; that on the whole test set is in
    the details. The original itself differs by exactly nothing.
    """

    name = "change"
    title = "Change in accuracy"
    summary = "The accuracy less that of the original on the same images, with its 95 % interval."
    better = "higher"
    unit = "fraction"

    def read(self, subject: Subject) -> Iterator[Reading]:
        if subject.original is None:
            yield Reading(Estimate.counted(0.0, self.unit))
            return
        for look in stream(subject):
            low, high = look.change.shown
            estimate = Estimate(value=look.change.value, low=low, high=high, n=look.n, how="measured", unit=self.unit)
            yield Reading(estimate, {"whole_set": list(look.change.whole)}, final=look.n == look.of)


measures.register(Change())
