"""Writing: from the tensors of a network to the bytes of a file, with a ledger of what they are for."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, final

import torch
from torch import Tensor

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

    def add(self, places: Mapping[str, Slot]) -> None:
        """Add the one tensor that these slots share, which must be storable."""
        names, slot = tuple(places), next(iter(places.values()))
        tensor = slot.tensor.detach().cpu()
        shape = tuple(tensor.shape)
        if slot.category in POOLS and tensor.dtype == torch.float32:
            self._pools[slot.category].append(tensor)
            self._entries.append(Entry(names=names, shape=shape, pool=slot.category))
            return
        formats = (weight_format(slot.module) for slot in places.values() if slot.is_layer_weight)
        form = next((form for form in formats if form is not FREE), FREE)
        grid = None if form.grid is None else _storable(form.grid, shape)
        if grid is not None:
            self._pools["scales"].append(grid.scale)
            self._pools["zeros"].append(grid.zero)
        kind, stored = _store(tensor, grid)
        if stored.positions is not None:
            self._parts.append(("indices", stored.positions))
        self._parts.append((slot.category, stored.values))
        self._entries.append(
            Entry(
                names=names,
                shape=shape,
                dtype=tensor.dtype,
                kind=kind,
                spec=stored.spec,
                grid=None if grid is None else grid.spec,
                masked=form.mask is not None,
            )
        )

    def finish(self, **facts: Any) -> tuple[bytes, dict[str, int]]:
        """Return the file of all tensors added, and its ledger; `facts` are the other fields of the header."""
        pools = {pool: encode_words(_words(pool, tensors)) for pool, tensors in self._pools.items()}
        specs = {pool: coded.spec for pool, coded in pools.items()}
        parts = [("scales" if pool in GRID_POOLS else pool, coded) for pool, coded in pools.items()] + self._parts
        ledger = dict.fromkeys(CATEGORIES, 0)
        for category, coded in parts:
            ledger[category] += len(coded.data)
            ledger["tables"] += len(coded.table)
        body = b"".join(coded.table + coded.data for _, coded in parts)
        header = Header(entries=tuple(self._entries), pools=specs, **facts)
        data = _container.write(header.to_json(), body)
        return data, ledger | {"header": len(data) - len(body)}


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
    scale, zero = grid.scale.detach().cpu(), grid.zero.detach().cpu()
    length = 0 if grid.spec.bits == 16 else shape[0] if grid.spec.per_channel else 1
    fits = scale.shape == (length,) and scale.dtype == torch.float32
    return Grid(grid.spec, scale, zero) if fits and same_bits(zero.to(torch.uint8).float(), zero) else None


def _words(pool: str, tensors: list[Tensor]) -> Any:
    kind = torch.uint8 if pool == "zeros" else torch.float32
    return words_of(torch.cat([torch.empty(0, dtype=kind), *(tensor.reshape(-1).to(kind) for tensor in tensors)]))
