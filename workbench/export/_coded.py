"""One array in its shortest form: what the header says of it, and its bytes in the body."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import zstandard


@dataclass(frozen=True)
class Coded:
    """`spec` goes into the header; `table` (of the entropy coder), then `data`, go into the body."""

    spec: list[Any]
    data: bytes = b""
    table: bytes = b""

    @property
    def cost(self) -> int:
        """Its bytes, and about one more for each item of its spec in the compressed header."""
        return len(self.data) + len(self.table) + len(self.spec)


def shortest(candidates: Iterable[Coded]) -> Coded:
    """Return the candidate of least cost, the first one of equals."""
    return min(candidates, key=lambda coded: coded.cost)


def deflate(data: bytes) -> bytes:
    """Return the data as one zstd frame that states its content's size."""
    return zstandard.ZstdCompressor(level=3).compress(data)
