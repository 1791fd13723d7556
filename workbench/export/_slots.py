"""The places in a network that a file fills: its parameters and buffers, by the module that holds them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn

from workbench.network import Layer

NORMS = (nn.modules.batchnorm._NormBase, nn.GroupNorm, nn.LayerNorm)
"""Modules whose arrays count as norms in the ledger; the first is batch and instance norm."""


@dataclass(frozen=True)
class Slot:
    """A parameter or buffer of a network."""

    module: nn.Module
    key: str

    @property
    def tensor(self) -> Tensor:
        """What is there now."""
        held: Any = self.module._parameters if self.learnt else self.module._buffers
        tensor: Tensor = held[self.key]
        return tensor

    @property
    def learnt(self) -> bool:
        """Whether it is a parameter."""
        return self.key in self.module._parameters

    @property
    def category(self) -> str:
        """Under which head of the ledger the bytes of its tensor count."""
        if isinstance(self.module, NORMS):
            return "norms"
        if not self.learnt:
            return "other"
        return "biases" if self.key == "bias" else "weights"

    @property
    def is_layer_weight(self) -> bool:
        """Whether it is a weight that techniques compress, so that its module may carry a format."""
        return self.key == "weight" and isinstance(self.module, Layer)

    @property
    def counts_batches(self) -> bool:
        """Whether it is the number of batches that a batch norm has seen."""
        return self.key == "num_batches_tracked" and isinstance(self.module, NORMS)

    def fill_(self, value: Tensor) -> None:
        """Put a parameter or tensor here; what several slots are given is shared between them."""
        if self.learnt:
            self.module._parameters[self.key] = value if isinstance(value, nn.Parameter) else nn.Parameter(value)
        else:
            self.module._buffers[self.key] = value.detach()


def own_slots(module: nn.Module) -> dict[str, Slot]:
    """Return the parameters and buffers of one module, without those of the modules in it."""
    held = (*module._parameters.items(), *module._buffers.items())
    return {key: Slot(module, key) for key, tensor in held if tensor is not None}


def slots(model: nn.Module) -> dict[str, Slot]:
    """Return all parameters and buffers of a network by name, shared ones under each of their names."""
    return {
        f"{path}.{key}" if path else key: slot
        for path, module in model.named_modules(remove_duplicate=False)
        for key, slot in own_slots(module).items()
    }


def sharing(found: Mapping[str, Slot]) -> list[dict[str, Slot]]:
    """Return the slots in groups that hold one tensor: the same object, or the same memory seen in the same way."""
    groups: dict[tuple[Any, ...], dict[str, Slot]] = {}
    for name, slot in found.items():
        tensor = slot.tensor
        memory = tensor.data_ptr() or id(tensor)
        groups.setdefault((memory, tensor.dtype, tensor.shape, tensor.stride()), {})[name] = slot
    return list(groups.values())
