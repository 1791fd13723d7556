"""Parameters: how many numbers the network has learnt."""

from __future__ import annotations

from collections.abc import Iterator
from typing import final

from workbench.measuring import Measure, Reading, Subject
from workbench.registry import measures
from workbench.result import Estimate


@final
class Parameters(Measure):
    """All elements of all parameters, zeros too; parameters that are shared count once, buffers do not count."""

    name = "parameters"
    title = "Parameters"
    summary = "How many learnt numbers the network holds, zeros too; taking channels away lowers it, zeroing does not."
    better = "lower"

    def read(self, subject: Subject) -> Iterator[Reading]:
        yield Reading(Estimate.counted(sum(parameter.numel() for parameter in subject.model.parameters()), self.unit))


measures.register(Parameters())
