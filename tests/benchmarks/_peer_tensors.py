"""The tensors of a torch network as a safetensors file: what its library would keep, whatever class holds it."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from safetensors.torch import save
from torch import Tensor, nn


def written(model: nn.Module) -> bytes:
    """Return the state dict as safetensors; a tensor made of others is written as these."""
    found = {key: part for name, value in model.state_dict().items() for key, part in _parts(name, value)}
    return save({name: tensor.detach().clone().contiguous() for name, tensor in found.items()})


def _parts(name: str, value: object) -> Iterator[tuple[str, Tensor]]:
    if not isinstance(value, Tensor):  # what quantized layers of torch keep beside their tensors
        return
    if type(value) not in (Tensor, nn.Parameter) and hasattr(value, "__tensor_flatten__"):
        names, _ = value.__tensor_flatten__()
        for inner in names:
            yield from _parts(f"{name}.{inner}", getattr(value, inner))
    else:
        yield name, torch.Tensor.detach(value)
