"""MACs: the multiply-adds of one image, counted operator by operator while the network runs.

One multiply-add counts as one. Products with the zeros of padding and of pruned weights count: dense kernels do them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import final

import torch

from workbench.measure._operators import count
from workbench.measuring import Measure, Reading, Subject
from workbench.registry import measures
from workbench.result import Estimate


@final
class Macs(Measure):
    """Multiply-adds in matrix products, convolutions and attention on one test image.

    The details list them by layer, the operators that by convention do not count (element by element, pooling, norms;
    with their number of calls), and those that may do work but that nobody has given a formula: a note names these.
    """

    name = "macs"
    title = "MACs"
    summary = "Multiply-adds for one image, counted per operator actually run; a multiply-add counts as one."
    better = "lower"
    unit = "MACs"

    def read(self, subject: Subject) -> Iterator[Reading]:
        counts = count(subject.model, subject.test.inputs(torch.arange(1)))
        details = {
            "layers": dict(counts.layers),
            "not counted": _sorted(counts.light),
            "unknown": _sorted(counts.unknown),
        }
        notes: tuple[str, ...] = ()
        if counts.unknown:
            names = ", ".join(_sorted(counts.unknown))
            notes = (f"MACs leave out the work of {names}: no count is known for these operators",)
        yield Reading(Estimate.counted(sum(counts.layers.values()), self.unit), details, notes)


def _sorted(calls: Counter[str]) -> dict[str, int]:
    return dict(sorted(calls.items()))


measures.register(Macs())
