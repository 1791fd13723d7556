"""Giving the modules of a freshly built network the shapes that channel pruning has left in a file."""

from __future__ import annotations

from collections.abc import Mapping

from torch import nn

from workbench.errors import Refused
from workbench.export._slots import own_slots, slots

_Shape = tuple[int, ...]


def groups_of(model: nn.Module) -> dict[str, int]:
    """Return the groups of grouped convolutions by module name: the shape of a weight alone does not tell them."""
    convolutions = (nn.Conv1d, nn.Conv2d, nn.Conv3d)
    return {
        path: module.groups
        for path, module in model.named_modules()
        if isinstance(module, convolutions) and module.groups > 1
    }


def fit_(model: nn.Module, shapes: Mapping[str, _Shape], groups: Mapping[str, int]) -> None:
    """Prepare the modules of a network for tensors of these shapes, in place; raises `Refused` for impossible ones.

    Pruning only takes away, so no tensor may be larger than the network has it: what a file can make a reader
    allocate is bounded by the network that the reader built himself.
    """
    if unmatched := sorted(slots(model).keys() ^ shapes.keys()):
        name = unmatched[0]
        what = "the network has no" if name in shapes else "the file lacks"
        raise Refused(f"the packed file belongs to another architecture: {what} {name[:80]}")
    for path, module in model.named_modules():
        prefix = f"{path}." if path else ""
        present = {key: tuple(slot.tensor.shape) for key, slot in own_slots(module).items()}
        stored = {key: shapes[prefix + key] for key in present}
        wanted = groups.get(path, 1)
        if stored == present and wanted == getattr(module, "groups", 1):
            continue
        able = all(map(_smaller, stored.values(), present.values()))
        possible = present | (_resize_(module, stored, wanted) if able else {})
        for key in stored:
            if not able or stored[key] != possible[key]:
                raise Refused(
                    f"the packed file does not fit: {prefix}{key} is {list(stored[key])} in the file and "
                    f"{list(present[key])} in the network, which cannot be cut to it"
                )


def _smaller(stored: _Shape, present: _Shape) -> bool:
    return len(stored) == len(present) and all(0 < n <= most for n, most in zip(stored, present, strict=True))


def _resize_(module: nn.Module, stored: Mapping[str, _Shape], groups: int) -> dict[str, _Shape]:
    """Set the sizes that a module states of itself to the stored ones; return the shapes that then are possible."""
    first = next(iter(stored.values()))
    match module:
        case nn.Linear() if "weight" in stored:
            module.out_features, module.in_features = first
            return {"weight": first, "bias": first[:1]}
        case nn.Conv1d() | nn.Conv2d() | nn.Conv3d() if "weight" in stored and first[0] % groups == 0:
            module.out_channels, module.in_channels, module.groups = first[0], first[1] * groups, groups
            return {"weight": (*first[:2], *module.kernel_size), "bias": first[:1]}
        case nn.modules.batchnorm._NormBase():
            module.num_features = first[0]
            return dict.fromkeys(("weight", "bias", "running_mean", "running_var"), first)
        case nn.GroupNorm() if first[0] % module.num_groups == 0:
            module.num_channels = first[0]
            return {"weight": first, "bias": first}
        case nn.LayerNorm():
            module.normalized_shape = first
            return {"weight": first, "bias": first}
        case nn.PReLU():
            module.num_parameters = first[0]
            return {"weight": first}
    return {}
