"""Size: the length of the packed file, and the two accounts of it that are usual."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, final

from workbench.export.packed import CATEGORIES, float32_ledger
from workbench.measuring import Measure, Reading, Subject
from workbench.registry import measures
from workbench.result import Estimate

ACCOUNTS: Mapping[str, tuple[str, ...]] = {
    "everything": CATEGORIES,
    "parameters": ("weights", "scales", "indices", "tables", "biases"),
}
"""What is counted: the whole file; or, as papers do, what weights and biases take with all that is needed
to read them, but no header, no batch norms and no buffers."""


@final
class Size(Measure):
    """The length in bytes of the file that `export.packed` writes, which loads back to the same predictions.

    The details are its ledger, what the bytes are for, which sums to the length; and in both of `ACCOUNTS` the bytes,
    those of the same numbers of the original in float32, and the ratio.
    """

    name = "size_bytes"
    title = "File size"
    summary = "The length of the packed file: the very bytes that a download gives, not a formula."
    better = "lower"
    unit = "bytes"

    def read(self, subject: Subject) -> Iterator[Reading]:
        ledger = subject.packed.ledger
        before = float32_ledger((subject.original or subject).model)
        details: dict[str, Any] = {"ledger": dict(ledger)}
        for account, heads in ACCOUNTS.items():
            size, float32 = (sum(found[head] for head in heads) for found in (ledger, before))
            details[account] = {"bytes": size, "float32": float32, "ratio": float32 / size if size else None}
        yield Reading(Estimate.counted(len(subject.packed.data), self.unit), details)


measures.register(Size())
