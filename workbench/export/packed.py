"""The packed file: a compressed network in as few bytes as it takes, which loads back to the same bits.

Weights on a grid are stored as codes with their scales and zero points, pruned ones as the positions and values of what
is left, and each array in the shortest of several forms, found by writing them: bit-packed, zstd or entropy-coded.
There is no pickle in it, and reading it runs no code that the file names.

The ledger says what the bytes are for, and sums to the length of the file: `header` (with the checksum), `weights`,
`scales` (and zero points), `indices` (of non-zeros), `tables` (of the entropy coder), `biases`, `norms` (all arrays of
batch norms and the like), `other` (further buffers).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import torch
from torch import nn

from workbench.errors import Refused
from workbench.export import _container
from workbench.export._header import Header
from workbench.export._reader import fill_
from workbench.export._slots import sharing, slots
from workbench.export._surgery import fit_, groups_of
from workbench.export._tensors import check_storable
from workbench.export._writer import CATEGORIES, Writer
from workbench.network import architecture, name_architecture_

__all__ = ["CATEGORIES", "Packed", "describe", "pack", "unpack"]

_NOTHING: Mapping[str, Any] = MappingProxyType({})


@dataclass(frozen=True)
class Packed:
    """A file, and what its bytes are for."""

    data: bytes
    ledger: Mapping[str, int]
    """Bytes under each of `CATEGORIES`; they sum to `len(data)`."""


def pack(model: nn.Module, about: Mapping[str, Any] = _NOTHING) -> Packed:
    """Return the file of a network: every parameter and buffer bit for bit, equal bytes for equal networks.

    `about` is plain JSON that is stored with it. The architecture is stored by its name in the model zoo; a network
    from a file of the user's goes without one, so that no file can name code to be run. Which zeros of a pruned layer
    were pruned, and which were rounded to zero, is not stored: the loaded layer is held to zero wherever it is zero.
    Raises `Refused` for tensors that no file can hold, and where `about` is not plain JSON.
    """
    found = slots(model)
    for name, slot in found.items():
        check_storable(name, slot.tensor)
    counts = Counter(int(slot.tensor) for slot in found.values() if slot.counts_batches)
    batches = counts.most_common(1)[0][0] if counts else 0
    writer = Writer()
    for places in sharing(found):
        if not all(slot.counts_batches and int(slot.tensor) == batches for slot in places.values()):
            writer.add(places)
    public = "" if architecture(model).startswith("user:") else architecture(model)
    data, ledger = writer.finish(architecture=public, about=about, groups=groups_of(model), batches=batches)
    return Packed(data, ledger)


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
    model = _build(header.architecture, build)
    found = slots(model)
    shapes = {name: entry.shape for entry in header.entries for name in entry.names}
    for name, slot in found.items():
        if slot.counts_batches and name not in shapes:
            slot.fill_(torch.full_like(slot.tensor, header.batches))
            shapes[name] = tuple(slot.tensor.shape)
    fit_(model, shapes, header.groups)
    fill_(found, header, body)
    body.finish()
    return name_architecture_(model, header.architecture).eval()


def _build(name: str, build: Callable[[str], nn.Module]) -> nn.Module:
    if name.startswith("user:"):
        raise Refused(f"the packed file asks to run code ({name[:80]}), which no file may do: it is not to be trusted")
    try:
        return build(name)
    except (Refused, LookupError) as error:
        if name:
            raise
        raise Refused(
            "the packed file does not name its architecture: load it with a build function that makes the network"
        ) from error
