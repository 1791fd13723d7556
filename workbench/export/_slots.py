"""The places in a network that a file fills, and the surgery that gives them the shapes of the file."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from workbench.errors import Refused

_NORMS = (nn.modules.batchnorm._NormBase, nn.GroupNorm, nn.LayerNorm)
_CONVS = (nn.Conv1d, nn.Conv2d, nn.Conv3d)
Shape = tuple[int, ...]


@dataclass(frozen=True)
class Slot:
    """A parameter or buffer of a network, by the module that holds it."""

    module: nn.Module
    key: str

    @property
    def tensor(self) -> Tensor | None:
        found = self.module._parameters.get(self.key)
        return self.module._buffers.get(self.key) if found is None else found

    @property
    def category(self) -> str:
        """Under which head the bytes of its tensor are counted."""
        if isinstance(self.module, _NORMS):
            return "norms"
        if self.key in self.module._buffers:
            return "other"
        return "biases" if self.key == "bias" else "weights"

    @property
    def counts_batches(self) -> bool:
        """Whether it is the count of batches that a batch norm has seen."""
        return isinstance(self.module, _NORMS) and self.key == "num_batches_tracked"

    def fill_(self, value: Tensor) -> None:
        """Put a parameter or tensor here; a tensor that several slots are given stays shared between them."""
        if self.key in self.module._parameters:
            self.module._parameters[self.key] = value if isinstance(value, nn.Parameter) else nn.Parameter(value)
        else:
            self.module._buffers[self.key] = value.detach()


def slots(model: nn.Module) -> dict[str, Slot]:
    """Return all parameters and buffers of a network by name, shared ones under each of their names."""
    found = {}
    for path, module in model.named_modules(remove_duplicate=False):
        for key, tensor in (*module._parameters.items(), *module._buffers.items()):
            if tensor is not None:
                found[f"{path}.{key}" if path else key] = Slot(module, key)
    return found


def fit_(model: nn.Module, shapes: Mapping[str, Shape], groups: Mapping[str, int]) -> None:
    """Give the modules of a network the shapes of a file, in place; raises `Refused` for one that they cannot take.

    Pruning takes channels away and changes nothing else, so no tensor may come out larger than the network has it:
    what a file makes this function allocate is bounded by the network itself.
    """
    found = slots(model)
    if different := sorted(found.keys() ^ shapes.keys()):
        side = "the file lacks" if different[0] in found else "the architecture has no"
        raise Refused(f"the packed file does not belong to this architecture: {side} {different[0]}")
    for path, module in model.named_modules():
        own = {key: shapes[f"{path}.{key}" if path else key] for key in _filled(module)}
        if own:
            _fit_module_(path, module, own, groups.get(path, 1))


def _filled(module: nn.Module) -> list[str]:
    return [key for key, tensor in (*module._parameters.items(), *module._buffers.items()) if tensor is not None]


def _fit_module_(path: str, module: nn.Module, stored: Mapping[str, Shape], groups: int) -> None:
    present = {key: tuple(Slot(module, key).tensor.shape) for key in stored}  # type: ignore[union-attr]
    unchanged = present == stored and getattr(module, "groups", 1) == groups
    if unchanged:
        return
    for key, shape in stored.items():
        smaller = len(shape) == len(present[key]) and all(
            0 < n <= most for n, most in zip(shape, present[key], strict=True)
        )
        if not smaller:
            raise _unfit(path, key, shape, present[key])
    expected = _resized(module, stored, groups)
    for key, shape in stored.items():
        if shape != expected.get(key, present[key]):
            raise _unfit(path, key, shape, present[key])


def _resized(module: nn.Module, stored: Mapping[str, Shape], groups: int) -> dict[str, Shape]:
    """Set the sizes that a module says of itself to the stored ones; return the shapes that then fit."""
    first = next(iter(stored.values()))
    match module:
        case nn.Linear() if "weight" in stored:
            module.out_features, module.in_features = stored["weight"]
            return {"weight": stored["weight"], "bias": (module.out_features,)}
        case nn.Conv1d() | nn.Conv2d() | nn.Conv3d() if "weight" in stored and stored["weight"][0] % groups == 0:
            out, within, *_ = stored["weight"]
            module.out_channels, module.in_channels, module.groups = out, within * groups, groups
            return {"weight": (out, within, *module.kernel_size), "bias": (out,)}
        case nn.modules.batchnorm._NormBase():
            module.num_features = first[0]
            return {key: first for key in ("weight", "bias", "running_mean", "running_var")}
        case nn.GroupNorm() if first[0] % module.num_groups == 0:
            module.num_channels = first[0]
            return {"weight": first, "bias": first}
        case nn.LayerNorm():
            module.normalized_shape = first
            return {"weight": first, "bias": first}
    return {}


def _unfit(path: str, key: str, stored: Shape, present: Shape) -> Refused:
    return Refused(
        f"the packed file does not fit this architecture: {path}.{key} is {list(stored)} in the file "
        f"and {list(present)} in the network, and cannot be cut to it"
    )


def groups_of(model: nn.Module) -> dict[str, int]:
    """Return the groups of grouped convolutions by module name: a weight's shape alone does not tell them."""
    return {
        path: module.groups
        for path, module in model.named_modules()
        if isinstance(module, _CONVS) and module.groups > 1
    }
