"""What every part of the engine may know of a network: its layers, and the format that their weights are held to.

A compressed network is a plain `nn.Module` whose weights already are what the file will hold: pruned weights are zero,
quantized weights lie on their grid. The promise to keep them so is a `WeightFormat` beside the layer. Training honours
it (`training.fit`), surgery slices it (`techniques.channels`), the packed file relies on it (`export.packed`).
"""

from __future__ import annotations

import copy
from dataclasses import dataclass, replace
from typing import TypeAlias

import torch
from torch import Tensor, nn

from workbench.errors import Refused
from workbench.grid import Grid

Layer: TypeAlias = nn.Linear | nn.Conv1d | nn.Conv2d | nn.Conv3d
"""Modules whose `weight` [out, in, ...] the techniques compress."""


@dataclass(frozen=True)
class WeightFormat:
    """What the weights of a layer are held to: zero where `mask` is False, on `grid` where there is one."""

    mask: Tensor | None = None
    grid: Grid | None = None

    def snapped(self, weight: Tensor) -> Tensor:
        """Return the nearest weight of this format."""
        weight = self._masked(weight)
        if self.grid is None:
            return weight
        return self._masked(self.grid.decode(self.grid.encode(weight)))

    def fitted(self, weight: Tensor) -> WeightFormat:
        """Return the format with a grid of the same kind that spans what the mask leaves of this weight."""
        return self if self.grid is None else replace(self, grid=self.grid.refitted(self._masked(weight)))

    def _masked(self, weight: Tensor) -> Tensor:
        return weight if self.mask is None else weight * self.mask


FREE = WeightFormat()
"""The format of a weight that may take any value."""


def layers(model: nn.Module) -> dict[str, Layer]:
    """Return the layers that can be compressed, by name; layers that share one weight appear once, under the first."""
    seen: set[int] = set()
    found: dict[str, Layer] = {}
    for name, module in model.named_modules():
        weight = getattr(module, "weight", None)
        if isinstance(module, Layer) and isinstance(weight, nn.Parameter) and id(weight) not in seen:
            seen.add(id(weight))
            found[name] = module
    return found


def weight_format(layer: nn.Module) -> WeightFormat:
    """Return what the layer's weight is held to."""
    form: WeightFormat = layer.__dict__.get("_weight_format", FREE)
    return form


def set_format_(layer: nn.Module, form: WeightFormat) -> None:
    """Say in place what the weight of a layer is held to, which it must already be: `hold_` also makes it so."""
    layer.__dict__["_weight_format"] = form


def hold_(layer: Layer, **changes: Tensor | Grid | None) -> None:
    """Change the format of a layer in place, and its weight to the nearest one of that format."""
    form = replace(weight_format(layer), **changes)  # type: ignore[arg-type]
    with torch.no_grad():
        layer.weight.copy_(
            form.snapped(layer.weight.float()) + 0.0
        )  # -0.0 would not survive a format that stores zeros as gaps
    set_format_(layer, form)


def formatted_(layer: Layer, weight: Tensor, **changes: Tensor | Grid | None) -> Tensor:
    """Return the nearest weight of the layer's format with these changes, on a grid fitted anew; the format is set."""
    form = replace(weight_format(layer), **changes).fitted(weight)  # type: ignore[arg-type]
    set_format_(layer, form)
    return form.snapped(weight) + 0.0  # see `hold_`


def settle_(layer: Layer) -> None:
    """Fit the grid of a layer to its present weight, in place: the last thing that training does."""
    hold_(layer, grid=weight_format(layer).fitted(layer.weight.detach()).grid)


def architecture(model: nn.Module) -> str:
    """Return the name under which the model zoo can build this network again, before any surgery; "" if unknown."""
    return str(model.__dict__.get("_architecture", ""))


def name_architecture_(model: nn.Module, name: str) -> nn.Module:
    """Write the name of its architecture on a network, in place."""
    model.__dict__["_architecture"] = name
    return model


def clone(model: nn.Module) -> nn.Module:
    """Return an independent copy; raises `Refused` where the network cannot be copied."""
    try:
        return copy.deepcopy(model)
    except Exception as error:  # any class of a user's network may fail here, in any way
        raise Refused(
            "this network cannot be copied, so it cannot be compressed without touching the original "
            f"({type(error).__name__}: {error}); networks with the old torch.nn.utils.weight_norm need "
            "torch.nn.utils.parametrizations.weight_norm, or remove_weight_norm first"
        ) from error


def check(model: nn.Module, example: Tensor, classes: int) -> None:
    """Raise `Refused` unless the network can be copied, is finite, and maps the example to one score per class."""
    for name, tensor in model.state_dict().items():
        if tensor.is_floating_point() and not torch.isfinite(tensor).all():
            raise Refused(f"{name} holds {int((~torch.isfinite(tensor)).sum())} values that are NaN or infinite")
    duplicate = clone(model).eval()
    try:
        with torch.no_grad():
            scores = duplicate(example)
    except Exception as error:  # a user's network may fail in any way; the sentence carries what it said
        shape = tuple(example.shape)
        raise Refused(f"this network failed on an input of shape {shape}: {type(error).__name__}: {error}") from error
    if not isinstance(scores, Tensor):
        raise Refused(
            f"the network must return one tensor of scores [N, {classes}], got a {type(scores).__name__}: "
            "wrap it in a module that returns only the scores"
        )
    if scores.shape != (len(example), classes):
        raise Refused(
            f"the network must return scores [N, {classes}], one for each class of the data, got {list(scores.shape)}"
        )
