"""The packed file: a compressed network in as few bytes as it takes, which loads back to the same bits.

Weights on a grid are stored as codes with their scales and zero points, pruned ones as the positions and values of what
is left, and each array in the shortest of several forms: bit-packed, zstd or entropy-coded, and positions as a bitmap,
as gaps, as compressed sparse rows or by the density of their row and column. There is no pickle in it, and reading it
runs no code that the file names.

The ledger says what the bytes are for, and sums to the length of the file: `header` (with the checksum), `weights`,
`scales` (with zero points and codebooks), `indices` (of non-zeros), `tables` (of the entropy coder), `biases`, `norms`
(all arrays of batch norms and the like), `other` (further buffers).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any, final

import torch
from torch import Tensor, nn

from workbench.errors import Refused
from workbench.export import _activations, _container
from workbench.export._header import Header
from workbench.export._reader import fill_
from workbench.export._slots import sharing, slots
from workbench.export._surgery import fit_, groups_of
from workbench.export._tensors import check_storable
from workbench.export._writer import CATEGORIES, Writer
from workbench.exporting import Format, Runner, Source
from workbench.factors import pair_up_
from workbench.network import architecture, name_architecture_
from workbench.registry import exports

__all__ = ["CATEGORIES", "Packed", "PackedFile", "describe", "float32_ledger", "pack", "unpack"]

_NOTHING: Mapping[str, Any] = MappingProxyType({})


@dataclass(frozen=True)
class Packed:
    """A file, and what its bytes are for."""

    data: bytes
    ledger: Mapping[str, int]
    """Bytes under each of `CATEGORIES`; they sum to `len(data)`."""
    tensors: Mapping[str, int]
    """Bytes of each tensor by its first name: with the header they sum to `len(data)` as well."""


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
    facts = {"groups": groups_of(model), "batches": batches, "activations": _activations.described(model)}
    return Packed(*writer.finish(architecture=public, about=about, **facts))


def float32_ledger(model: nn.Module) -> dict[str, int]:
    """Return how many bytes all numbers of a network take at four each, under the heads that they count under."""
    ledger = dict.fromkeys(CATEGORIES, 0)
    for places in sharing(slots(model)):
        slot = next(iter(places.values()))
        ledger[slot.category] += 0 if slot.counts_batches else 4 * slot.tensor.numel()
    return ledger


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
    shapes = {name: entry.shape for entry in header.entries for name in entry.names}
    pair_up_(model, shapes)
    found = slots(model)
    for name, slot in found.items():
        if slot.counts_batches and name not in shapes:
            slot.fill_(torch.full_like(slot.tensor, header.batches))
            shapes[name] = tuple(slot.tensor.shape)
    fit_(model, shapes, header.groups)
    fill_(found, header, body)
    body.finish()
    _activations.restore_(model, header.activations)
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


@final
class PackedFile(Format):
    """The packed file as an export: what the size of every row is counted on."""

    name = "packed"
    title = "Packed file"
    summary = "The smallest file of the network, whose length is the size that is shown; the workbench reads it."
    suffix = ".dsw"
    runtime = "this workbench"
    exact = True
    hurts_when = "No other program reads it. A network from a file of your own needs that file again."

    def write(self, source: Source, path: Path) -> None:
        path.write_bytes(pack(source.model, source.about).data)

    def load(self, path: Path, source: Source) -> Runner:
        network = unpack(path.read_bytes(), source.build)

        def run(images: Tensor) -> Tensor:
            with torch.no_grad():
                return network(images)  # type: ignore[no-any-return]

        return run


exports.register(PackedFile())
