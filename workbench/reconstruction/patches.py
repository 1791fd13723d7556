"""What a layer reads, as rows: at each sampled position of its output, the inputs that its weight multiplies."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from workbench.network import Layer


def readable(layer: Layer) -> bool:
    """Return whether the layer multiplies what it is given: a subclass with a forward of its own may do anything."""
    kind = next(kind for kind in (nn.Linear, nn.Conv1d, nn.Conv2d, nn.Conv3d) if isinstance(layer, kind))
    return type(layer).forward is kind.forward


def groups(layer: Layer) -> int:
    """Return into how many groups, each with weights and inputs of its own, the layer falls."""
    return 1 if isinstance(layer, nn.Linear) else layer.groups


def as_rows(layer: Layer, weight: Tensor) -> Tensor:
    """Return a weight [out, in / G, ...] as [G, out / G, D], one row for each output."""
    return weight.reshape(groups(layer), weight.shape[0] // groups(layer), -1)


def positions(layer: Layer, output: Tensor, count: int, generator: torch.Generator) -> Tensor:
    """Return at most `count` positions of an output, drawn without replacement, as sorted flat indices."""
    places = _places(layer, output)
    total = 1
    for size in places:
        total *= size
    if total <= count:
        return torch.arange(total)
    return torch.randperm(total, generator=generator)[:count].sort().values


def inputs_at(layer: Layer, x: Tensor, chosen: Tensor) -> Tensor:
    """Return what the layer reads at flat output positions [P] as [G, B * P, D], in float32."""
    if isinstance(layer, nn.Linear):
        return x.reshape(len(x), -1, x.shape[-1])[:, chosen.to(x.device)].reshape(1, -1, x.shape[-1]).float()
    if any(layer._reversed_padding_repeated_twice):
        mode = "constant" if layer.padding_mode == "zeros" else layer.padding_mode
        x = F.pad(x, layer._reversed_padding_repeated_twice, mode=mode)
    sizes = [
        (size - dilation * (kernel - 1) - 1) // stride + 1
        for size, kernel, stride, dilation in zip(
            x.shape[2:], layer.kernel_size, layer.stride, layer.dilation, strict=True
        )
    ]
    index: list[Any] = [slice(None), slice(None)]
    for dim, place in enumerate(torch.unravel_index(chosen, sizes)):
        taps = place[:, None] * layer.stride[dim] + torch.arange(layer.kernel_size[dim]) * layer.dilation[dim]
        shape = [len(chosen)] + [1] * len(sizes)
        shape[1 + dim] = layer.kernel_size[dim]
        index.append(taps.view(shape).to(x.device))
    found = x[tuple(index)]  # [B, C, P, *kernel]
    b, c, p = found.shape[:3]
    found = found.reshape(b, layer.groups, c // layer.groups, p, -1).permute(1, 0, 3, 2, 4)
    return found.reshape(layer.groups, b * p, -1).float()


def outputs_at(layer: Layer, y: Tensor, chosen: Tensor) -> Tensor:
    """Return what the layer puts out at flat positions [P] as [G, B * P, out / G], in float32."""
    chosen = chosen.to(y.device)
    rows = (
        y.reshape(len(y), -1, y.shape[-1])[:, chosen]
        if isinstance(layer, nn.Linear)
        else y.flatten(2)[:, :, chosen].transpose(1, 2)
    )
    return rows.reshape(-1, groups(layer), rows.shape[-1] // groups(layer)).transpose(0, 1).float()


def _places(layer: Layer, output: Tensor) -> tuple[int, ...]:
    return tuple(output.shape[1:-1]) if isinstance(layer, nn.Linear) else tuple(output.shape[2:])
