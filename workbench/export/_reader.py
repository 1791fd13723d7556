"""Reading: from the bytes of a file to the tensors of a network that has their shapes already."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import torch
from torch import Tensor, nn

from workbench.codebook import are_levels
from workbench.export._container import Body, damaged
from workbench.export._header import GRID_POOLS, POOLS, Entry, Header
from workbench.export._slots import Slot
from workbench.export._tensors import load_codes, load_words, tensor_of
from workbench.export._words import decode_words
from workbench.grid import Grid
from workbench.network import WeightFormat, set_format_


def fill_(found: Mapping[str, Slot], header: Header, body: Body) -> None:
    """Put the tensors of the file into the slots, and the formats they are held to onto their layers."""
    sizes = {pool: sum(entry.size for entry in header.entries if entry.pool == pool) for pool in POOLS}
    sizes |= {pool: sum(entry.pooled(pool) for entry in header.entries) for pool in GRID_POOLS}
    pools = {pool: _Pool(_read_pool(pool, header, sizes[pool], body)) for pool in (*GRID_POOLS, *POOLS)}
    for entry in header.entries:
        places = [found[name] for name in entry.names]
        device = places[0].tensor.device
        grid = None
        if entry.grid is not None:
            grid = Grid(entry.grid, *(pools[pool].take(entry.pooled(pool)) for pool in GRID_POOLS))
            if not are_levels(grid.levels):
                raise damaged(f"{entry.names[0][:80]} has an impossible codebook")
        value = pools[entry.pool].take(entry.size).reshape(entry.shape) if entry.pool else _read(entry, grid, body)
        value = value.to(device)
        _place_(places, value)
        if grid is not None or entry.masked:
            mask = value.ne(0) if entry.masked else None
            set_format_(_layer(entry, places), WeightFormat(mask, None if grid is None else grid.to(device)))


class _Pool:
    def __init__(self, values: Tensor) -> None:
        self._rest = values

    def take(self, count: int) -> Tensor:
        taken, self._rest = self._rest[:count], self._rest[count:]
        return taken.clone()


def _read_pool(pool: str, header: Header, count: int, body: Body) -> Tensor:
    dtype = torch.uint8 if pool == "zeros" else torch.float32
    if not count and pool not in header.pools:
        return torch.empty(0)
    return tensor_of(decode_words(header.pools.get(pool), count, dtype.itemsize, body), (count,), dtype).float()


def _read(entry: Entry, grid: Grid | None, body: Body) -> Tensor:
    if entry.kind == "codes" and grid is not None:
        return load_codes(entry.spec, entry.shape, grid, body)
    if entry.kind == "halves":
        return load_words(entry.spec, entry.shape, torch.float16, body).float()
    return load_words(entry.spec, entry.shape, entry.dtype, body)


def _place_(places: Iterable[Slot], value: Tensor) -> None:
    learnt = next((slot.tensor for slot in places if slot.learnt), None)
    if learnt is not None:
        if learnt.requires_grad and not value.is_floating_point():
            raise damaged("a parameter that is trained holds whole numbers")
        value = nn.Parameter(value, requires_grad=learnt.requires_grad)
    for slot in places:
        slot.fill_(value)


def _layer(entry: Entry, places: Iterable[Slot]) -> nn.Module:
    for slot in places:
        if slot.is_layer_weight:
            return slot.module
    raise damaged(f"{entry.names[0][:80]} has a grid or a mask, but is not the weight of a layer")
