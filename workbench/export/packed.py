"""The packed file: a compressed network in as few bytes as it takes, which loads back to the same bits.

Weights on a grid are stored as codes with their scales and zero points, pruned ones as the positions and values of what
is left, and each array in the shortest of several forms, found by writing them all: bit-packed, zstd, or entropy-coded.
There is no pickle in it, and reading it runs no code of the file.

The ledger says what the bytes are for, and sums to the length of the file: `header` (with checksum), `weights`,
`scales` (and zero points), `indices` (of non-zeros), `tables` (of the entropy coder), `biases`, `norms` (arrays of batch
norms and the like), `other` (further buffers).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from workbench.errors import Refused
from workbench.export import _container
from workbench.export._coded import Coded
from workbench.export._container import Body, damaged
from workbench.export._header import POOLS, Entry, Header
from workbench.export._slots import Slot, fit_, groups_of, slots
from workbench.export._tensors import (
    check_storable,
    load_codes,
    load_words,
    same_bits,
    store_codes,
    store_words,
    tensor_of,
    words_of,
)
from workbench.export._words import decode_words, encode_words
from workbench.grid import Grid
from workbench.network import FREE, Layer, WeightFormat, architecture, name_architecture_, weight_format

CATEGORIES = ("header", "weights", "scales", "indices", "tables", "biases", "norms", "other")
"""The heads of the ledger."""
_NOTHING: Mapping[str, Any] = MappingProxyType({})


@dataclass(frozen=True)
class Packed:
    """A file, and what its bytes are for."""

    data: bytes
    ledger: Mapping[str, int]
    """Bytes under each of `CATEGORIES`; they sum to `len(data)`."""


def pack(model: nn.Module, about: Mapping[str, Any] = _NOTHING) -> Packed:
    """Return the file of a network: every parameter and buffer bit for bit, equal bytes for equal networks.

    `about` is plain JSON that is stored with it. The architecture is stored by its name in the model zoo; a network from
    a file of the user's goes without one, so that no file can name code to be run. Which of the zeros of a pruned
    layer were pruned, and which rounded to zero, is not stored: the loaded layer is held to zero wherever it is zero.
    Raises `Refused` for tensors that no file can hold, and where `about` is not plain JSON.
    """
    writer = _Writer()
    found = slots(model)
    for name, slot in found.items():
        check_storable(name, slot.tensor)  # type: ignore[arg-type]
    counts = Counter(int(slot.tensor) for slot in found.values() if slot.counts_batches)  # type: ignore[arg-type]
    batches = counts.most_common(1)[0][0] if counts else 0
    for sharing in _distinct(found):
        if not all(found[name].counts_batches and int(found[name].tensor) == batches for name in sharing):  # type: ignore[arg-type]
            writer.add(sharing, [found[name] for name in sharing])
    name = architecture(model)
    return writer.finish(
        architecture="" if name.startswith("user:") else name, about=about, groups=groups_of(model), batches=batches
    )


def describe(data: bytes) -> dict[str, Any]:
    """Return what a file says of itself: format, architecture, about, and its tensors; raises `Refused`."""
    header, _ = _container.read(data)
    return {"format": _container.FORMAT, **Header.from_json(header).to_json()}


def unpack(data: bytes, build: Callable[[str], nn.Module]) -> nn.Module:
    """Return the network of a file, in evaluation mode.

    `build` makes the architecture from its name, which is "" where the file does not know it; modules are then cut to
    the shapes of the file. Raises `Refused` for a file that is damaged, of a newer version, or of another architecture.
    """
    plain, body = _container.read(data)
    header = Header.from_json(plain)
    if header.architecture.startswith("user:"):
        raise Refused("the packed file names code to be run, which is never done: it was not made by the workbench")
    try:
        model = build(header.architecture)
    except (Refused, LookupError) as error:
        if header.architecture:
            raise
        raise Refused(
            "the packed file does not name its architecture: load it with a build function that makes the network"
        ) from error
    found = slots(model)
    shapes = {name: tuple(slot.tensor.shape) for name, slot in found.items() if slot.counts_batches}  # type: ignore[union-attr]
    for slot in found.values():
        if slot.counts_batches:
            slot.fill_(torch.full_like(slot.tensor, header.batches))  # type: ignore[arg-type]
    fit_(model, shapes | {name: entry.shape for entry in header.entries for name in entry.names}, header.groups)
    _fill_(found, header, body)
    body.finish()
    return name_architecture_(model, header.architecture).eval()


class _Writer:
    """Collects tensors and writes the file."""

    def __init__(self) -> None:
        self._entries: list[Entry] = []
        self._pools: dict[str, list[Tensor]] = {pool: [] for pool in ("scales", "zeros", *POOLS)}
        self._parts: list[tuple[str, Coded]] = []

    def add(self, names: list[str], places: list[Slot]) -> None:
        """Add one tensor, shared by the places with these names."""
        tensor, category = places[0].tensor.detach().cpu(), places[0].category  # type: ignore[union-attr]
        shape, dtype = tuple(tensor.shape), tensor.dtype
        if category in POOLS and dtype == torch.float32:
            self._pools[category].append(tensor)
            self._entries.append(Entry(names=tuple(names), shape=shape, pool=category))
            return
        form = next((weight_format(slot.module) for slot in places if _has_format(slot)), FREE)
        grid = None if form.grid is None else _storable(form.grid, shape)
        kind, stored = "words", None
        if grid is not None and dtype == torch.float32:
            if grid.spec.bits == 16 and same_bits(tensor.half().float(), tensor):
                kind, stored = "halves", store_words(tensor.half())
            elif grid.spec.bits != 16 and (codes := store_codes(tensor, grid)) is not None:
                kind, stored = "codes", codes
        if grid is not None:
            self._pools["scales"].append(grid.scale)
            self._pools["zeros"].append(grid.zero)
        stored = stored or store_words(tensor)
        if stored.positions is not None:
            self._parts.append(("indices", stored.positions))
        self._parts.append((category, stored.values))
        self._entries.append(
            Entry(
                names=tuple(names),
                shape=shape,
                dtype=dtype,
                kind=kind,
                spec=stored.spec,
                grid=None if grid is None else grid.spec,
                masked=form.mask is not None,
            )
        )

    def finish(self, **facts: Any) -> Packed:
        """Return the file of the tensors added so far."""
        pools = {pool: encode_words(_pool_words(pool, tensors)) for pool, tensors in self._pools.items()}
        header = Header(
            entries=tuple(self._entries), pools={pool: coded.spec for pool, coded in pools.items()}, **facts
        )
        parts = [("scales" if pool == "zeros" else pool, coded) for pool, coded in pools.items()] + self._parts
        ledger = dict.fromkeys(CATEGORIES, 0)
        for category, coded in parts:
            ledger[category] += len(coded.data)
            ledger["tables"] += len(coded.table)
        body = b"".join(coded.table + coded.data for _, coded in parts)
        data = _container.write(header.to_json(), body)
        ledger["header"] = len(data) - len(body)
        return Packed(data, ledger)


def _fill_(found: Mapping[str, Slot], header: Header, body: Body) -> None:
    counts = {pool: sum(_size(entry) for entry in header.entries if entry.pool == pool) for pool in POOLS}
    counts["scales"] = counts["zeros"] = sum(entry.scales for entry in header.entries)
    pools = {pool: _read_pool(pool, header, counts[pool], body) for pool in ("scales", "zeros", *POOLS)}
    taken = dict.fromkeys(pools, 0)

    def take(pool: str, count: int) -> Tensor:
        taken[pool] += count
        return pools[pool][taken[pool] - count : taken[pool]].clone()

    for entry in header.entries:
        places = [found[name] for name in entry.names]
        if entry.pool:
            value, grid = take(entry.pool, _size(entry)).reshape(entry.shape), None
        else:
            grid = entry.grid and Grid(entry.grid, take("scales", entry.scales), take("zeros", entry.scales))
            value = _read_tensor(entry, grid, body)
        _place_(places, value)
        if grid is not None or entry.masked:
            layer = next((slot.module for slot in places if _has_layer(slot)), None)
            if layer is None:
                raise damaged(f"{entry.names[0]} has a grid or a mask, but is not the weight of a layer")
            layer.__dict__["_weight_format"] = WeightFormat(value.ne(0) if entry.masked else None, grid)


def _read_tensor(entry: Entry, grid: Grid | None, body: Body) -> Tensor:
    spec = dict(entry.spec)
    if entry.kind == "codes" and grid is not None:
        return load_codes(spec, entry.shape, grid, body)
    if entry.kind == "halves":
        return load_words(spec, entry.shape, torch.float16, body).float()
    return load_words(spec, entry.shape, entry.dtype, body)


def _place_(places: list[Slot], value: Tensor) -> None:
    old = next((slot.tensor for slot in places if isinstance(slot.tensor, nn.Parameter)), None)
    shared = value
    if old is not None:
        if not value.is_floating_point() and old.requires_grad:
            raise damaged("a parameter that is trained does not hold whole numbers")
        shared = nn.Parameter(value.to(old.device), requires_grad=old.requires_grad)
    for slot in places:
        slot.fill_(shared.to(slot.tensor.device) if old is None else shared)  # type: ignore[union-attr]


def _distinct(found: Mapping[str, Slot]) -> list[list[str]]:
    sharing: dict[tuple[Any, ...], list[str]] = {}
    for name, slot in found.items():
        tensor = slot.tensor
        memory = tensor.data_ptr() or id(tensor)  # type: ignore[union-attr]
        sharing.setdefault((memory, tensor.dtype, tensor.shape, tensor.stride()), []).append(name)  # type: ignore[union-attr]
    return list(sharing.values())


def _storable(grid: Grid, shape: tuple[int, ...]) -> Grid | None:
    """Return the grid on the CPU where a file can hold it, as it can any that `Grid.fit` makes."""
    scale, zero = grid.scale.detach().cpu(), grid.zero.detach().cpu()
    expected = 0 if grid.spec.bits == 16 else shape[0] if grid.spec.per_channel else 1
    fits = scale.shape == zero.shape == (expected,) and scale.dtype == zero.dtype == torch.float32
    whole = fits and same_bits(zero.clamp(0, 255).round() + 0.0, zero)
    return Grid(grid.spec, scale, zero) if whole else None


def _pool_words(pool: str, tensors: list[Tensor]) -> Any:
    if pool == "zeros":
        return np.concatenate([np.empty(0, np.uint8), *(tensor.to(torch.uint8).numpy() for tensor in tensors)])
    return np.concatenate([np.empty(0, "<u4"), *(words_of(tensor) for tensor in tensors)])


def _read_pool(pool: str, header: Header, count: int, body: Body) -> Tensor:
    itemsize = 1 if pool == "zeros" else 4
    words = decode_words(header.pools.get(pool), count, itemsize, body)
    return tensor_of(words, (count,), torch.uint8 if pool == "zeros" else torch.float32).float()


def _size(entry: Entry) -> int:
    return int(np.prod(entry.shape, dtype=np.int64))


def _has_layer(slot: Slot) -> bool:
    return isinstance(slot.module, Layer) and slot.key == "weight"


def _has_format(slot: Slot) -> bool:
    return _has_layer(slot) and weight_format(slot.module) is not FREE
