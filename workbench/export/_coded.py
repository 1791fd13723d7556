"""One array in its shortest form: what the header says of it, and its bytes in the body."""

from __future__ import annotations

from collections.abc import Callable, Iterable
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
        return len(self.data) + len(self.table) + _items(self.spec)


@dataclass(frozen=True)
class Form:
    """One way to code an array: about how many bytes it takes by its entropy, and how it is written."""

    expected: float
    write: Callable[[], Coded]


def _items(spec: Any) -> int:
    return sum(map(_items, spec)) if isinstance(spec, list) else 1


def shortest(candidates: Iterable[Coded]) -> Coded:
    """Return the candidate of least cost, the first one of equals."""
    return min(candidates, key=lambda coded: coded.cost)


def shortest_form(forms: Iterable[Form]) -> Coded:
    """Return the shortest of the forms, of which only those are written whose entropy gives them a chance."""
    first, *others = sorted(forms, key=lambda form: form.expected)
    best = first.write()
    for form in others:
        if has_a_chance(form.expected, best.cost):
            best = shortest((best, form.write()))
    return best


def has_a_chance(expected: float, best: int) -> bool:
    """Return whether a form is expected to be shorter than the best one so far by more than its description costs."""
    return expected + 8 < best


def deflate(data: bytes) -> bytes:
    """Return the data as one zstd frame that states its content's size."""
    return zstandard.ZstdCompressor(level=3).compress(data)
