"""Writing: from the tensors of a network to the bytes of a file, with a ledger of what they are for."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import accumulate
from typing import Any, final

import torch
from torch import Tensor

from workbench.codebook import are_levels
from workbench.export import _container
from workbench.export._coded import Coded
from workbench.export._header import GRID_POOLS, POOLS, Entry, Header
from workbench.export._slots import Slot
from workbench.export._tensors import Stored, same_bits, store_codes, store_words, words_of
from workbench.export._words import encode_words
from workbench.grid import Grid
from workbench.network import FREE, weight_format

CATEGORIES = ("header", "weights", "scales", "indices", "tables", "biases", "norms", "other")
"""The heads of the ledger."""


@final
class Writer:
    """Collects tensors, then writes them."""

    def __init__(self) -> None:
        self._entries: list[Entry] = []
        self._pools: dict[str, list[Tensor]] = {pool: [] for pool in (*GRID_POOLS, *POOLS)}
        self._parts: list[tuple[str, Coded]] = []
        self._lengths: dict[str, int] = {}

    def add(self, places: Mapping[str, Slot]) -> None:
        """Add the one tensor that these slots share, which must be storable."""
        names, slot = tuple(places), next(iter(places.values()))
        tensor = slot.tensor.detach().cpu()
        shape = tuple(tensor.shape)
        self._lengths[names[0]] = 0
        if slot.category in POOLS and tensor.dtype == torch.float32:
            self._pools[slot.category].append(tensor)
            self._entries.append(Entry(names=names, shape=shape, pool=slot.category))
            return
        formats = (weight_format(slot.module) for slot in places.values() if slot.is_layer_weight)
        form = next((form for form in formats if form is not FREE), FREE)
        grid = None if form.grid is None else _storable(form.grid, shape)
        if grid is not None:
            for pool, values in zip(GRID_POOLS, (grid.scale, grid.zero, grid.levels), strict=True):
                self._pools[pool].append(values)
        kind, stored = _store(tensor, grid)
        parts = [("indices", stored.positions)] if stored.positions is not None else []
        self._parts += (parts := [*parts, (slot.category, stored.values)])
        self._lengths[names[0]] = sum(len(coded.table) + len(coded.data) for _, coded in parts)
        self._entries.append(
            Entry(
                names=names,
                shape=shape,
                dtype=tensor.dtype,
                kind=kind,
                spec=stored.spec,
                grid=None if grid is None else grid.spec,
                levels=0 if grid is None else len(grid.levels),
                masked=form.mask is not None,
            )
        )

    def finish(self, **facts: Any) -> tuple[bytes, dict[str, int], dict[str, int]]:
        """Return the file of all tensors added, its ledger, and the bytes of each tensor by its first name.

        `facts` are the other fields of the header.
        """
        whole = {pool: _words(pool, tensors) for pool, tensors in self._pools.items()}
        pools = {pool: encode_words(words) for pool, words in whole.items() if len(words)}
        specs = {pool: coded.spec for pool, coded in pools.items()}
        parts = [("scales" if pool in GRID_POOLS else pool, coded) for pool, coded in pools.items()] + self._parts
        ledger = dict.fromkeys(CATEGORIES, 0)
        for category, coded in parts:
            ledger[category] += len(coded.data)
            ledger["tables"] += len(coded.table)
        body = b"".join(coded.table + coded.data for _, coded in parts)
        header = Header(entries=tuple(self._entries), pools=specs, **facts)
        data = _container.write(header.to_json(), body)
        return data, ledger | {"header": len(data) - len(body)}, self._by_tensor(pools)

    def _by_tensor(self, pools: Mapping[str, Coded]) -> dict[str, int]:
        """Return the bytes of each tensor: its own parts, and of each pool as large a share as it has of the values."""
        found = dict(self._lengths)
        for pool, coded in pools.items():
            counts = {entry.names[0]: entry.pooled(pool) for entry in self._entries}
            length, total = len(coded.table) + len(coded.data), sum(counts.values())
            ends = [length * values // total for values in accumulate(counts.values())]
            for name, start, end in zip(counts, [0, *ends], ends, strict=False):
                found[name] += end - start
        return found


def _store(tensor: Tensor, grid: Grid | None) -> tuple[str, Stored]:
    """Return how a tensor is stored: by its grid if that gives back every bit, else as it is."""
    if grid is not None and tensor.dtype == torch.float32:
        if grid.spec.bits == 16 and same_bits(tensor.half().float(), tensor):
            return "halves", store_words(tensor.half())
        if grid.spec.bits < 16 and (codes := store_codes(tensor, grid)) is not None:
            return "codes", codes
    return "words", store_words(tensor)


def _storable(grid: Grid, shape: tuple[int, ...]) -> Grid | None:
    """Return the grid on the CPU where a file can hold it, as it can any that `Grid.fit` makes."""
    held = grid.to("cpu")
    parts = (held.scale, held.zero, held.levels)
    fits = (
        len(shape) > 1
        and all(part.dtype == torch.float32 for part in parts)
        and held.scale.shape == held.zero.shape == (held.spec.scales(shape[0]),)
        and len(held.levels) <= (held.spec.highest if held.spec.kind == "codebook" and held.spec.bits < 16 else 0)
        and are_levels(held.levels)
        and same_bits(held.zero.to(torch.uint8).float(), held.zero)
    )
    return held if fits else None


def _words(pool: str, tensors: list[Tensor]) -> Any:
    kind = torch.uint8 if pool == "zeros" else torch.float32
    return words_of(torch.cat([torch.empty(0, dtype=kind), *(tensor.reshape(-1).to(kind) for tensor in tensors)]))
