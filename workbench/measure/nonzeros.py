"""Non-zeros: how many parameters pruning and rounding have left."""

from __future__ import annotations

from collections.abc import Iterator
from typing import final

from workbench.measuring import Measure, Reading, Subject
from workbench.registry import measures
from workbench.result import Estimate


@final
class NonZeros(Measure):
    """All elements of all parameters that are not zero; shared ones count once, NaN counts, -0.0 does not."""

    name = "nonzeros"
    title = "Non-zeros"
    summary = "How many learnt numbers are not zero: what is left after pruning, and after rounding to zero."
    better = "lower"

    def read(self, subject: Subject) -> Iterator[Reading]:
        found = sum(int(parameter.count_nonzero()) for parameter in subject.model.parameters())
        yield Reading(Estimate.counted(found, self.unit))


measures.register(NonZeros())
