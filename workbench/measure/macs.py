"""MACs: the multiply-adds of one image, counted operator by operator while the network runs.

One multiply-add counts as one. Products with the zeros of padding and of pruned weights count: dense kernels do them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from typing import final

from workbench.measure._graph import graph
from workbench.measuring import Measure, Reading, Subject
from workbench.registry import measures
from workbench.result import Estimate

OUTSIDE = "(outside layers)"
"""The name under which work counts that the network's own `forward` does."""
_LIGHT = ("norm", "pool", "elementwise")


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
        found = graph(subject)
        unknown = _calls(op.name for op in found.ops if op.kind == "unknown")
        details = {
            "layers": {layer or OUTSIDE: macs for layer, macs in found.macs.items()},
            "not counted": _calls(op.name for op in found.ops if op.kind in _LIGHT),
            "unknown": unknown,
        }
        notes: tuple[str, ...] = ()
        if unknown:
            notes = (f"MACs leave out the work of {', '.join(unknown)}: no count is known for these operators",)
        yield Reading(Estimate.counted(found.macs.total(), self.unit), details, notes)


def _calls(names: Iterable[str]) -> dict[str, int]:
    return dict(sorted(Counter(names).items()))


measures.register(Macs())
