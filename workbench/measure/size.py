"""Size: the length of the packed file."""

from __future__ import annotations

from collections.abc import Iterator
from typing import final

from workbench.measuring import Measure, Reading, Subject
from workbench.registry import measures
from workbench.result import Estimate


@final
class Size(Measure):
    """The length in bytes of the file that `export.packed` writes, which loads back to the same predictions.

    The details are its ledger: what the bytes are for, summing to the length.
    """

    name = "size_bytes"
    title = "File size"
    summary = "The length of the packed file: the very bytes that a download gives, not a formula."
    better = "lower"
    unit = "bytes"

    def read(self, subject: Subject) -> Iterator[Reading]:
        yield Reading(Estimate.counted(len(subject.packed.data), self.unit), dict(subject.packed.ledger))


measures.register(Size())
