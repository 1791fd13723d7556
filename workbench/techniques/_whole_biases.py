"""Biases as integer runtimes hold them: whole numbers of the product of one input code and one weight code.

    bias = k * scale of the inputs * scale of the channel's weights

Sums of products of codes are such numbers, and the bias is one of the terms. The batch norm behind a layer is part of
the layer there, so it is the bias of both together that is rounded, by moving the shift of the batch norm. The step is
some thousandth of one of the outputs, so nothing is lost by it; a runtime that rounds the bias on its own, however,
lets a few outputs in each layer fall on the next code, which the layers behind it make many of.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from workbench.activations import activation_format, exact_activations
from workbench.network import Layer, clone, weight_format


def round_biases_(model: nn.Module, images: Tensor) -> None:
    """Round the bias of each layer whose weights and inputs lie on uniform grids of 8 bits or fewer, in place."""
    steps = {name: step for name, module in model.named_modules() if (step := _step(module)) is not None}
    if not steps:
        return
    norms = _norms(model, images)
    with torch.no_grad():
        for name, step in steps.items():
            layer, norm = model.get_submodule(name), model.get_submodule(norms[name]) if name in norms else None
            if isinstance(norm, _BatchNorm):
                _round_shift_(layer, norm, step)
            elif isinstance(layer.bias, Tensor):
                layer.bias.copy_(_rounded(layer.bias.double(), step))


def _step(module: nn.Module) -> Tensor | None:
    """Return the product of both scales of a layer, float64 [out] or [1]; None where there is none."""
    form = activation_format(module)
    grid = weight_format(module).grid
    if not isinstance(module, Layer) or form is None or form.bits > 8 or grid is None:
        return None
    return grid.scale.double() * form.scale if grid.spec.kind == "uniform" and grid.spec.bits <= 8 else None


def _round_shift_(layer: nn.Module, norm: _BatchNorm, step: Tensor) -> None:
    """Move the shift of a batch norm so that the bias of the layer and of the norm together is on the grid."""
    if norm.running_var is None or norm.running_mean is None or norm.weight is None or norm.bias is None:
        return
    gain = norm.weight.double() / (norm.running_var.double() + norm.eps).sqrt()
    own = layer.bias if isinstance(layer.bias, Tensor) else norm.running_mean.new_zeros(1)
    rest = (own.double() - norm.running_mean.double()) * gain
    norm.bias.copy_(_rounded(rest + norm.bias.double(), step * gain.abs()) - rest)


def _rounded(bias: Tensor, step: Tensor) -> Tensor:
    """Return the nearest multiples of the step; where it is next to nothing, the channel is dead and stays as it is."""
    steps = bias / step
    return torch.where(steps.abs() < 2**31, steps.round() * step, bias)


def _norms(model: nn.Module, images: Tensor) -> dict[str, str]:
    """Return the batch norm that reads what a layer puts out, for layers and batch norms that run once."""
    watched = clone(model).eval()
    calls: Counter[str] = Counter()
    written: list[tuple[Tensor, str]] = []  # the tensors are kept, so that none is taken for another one
    found: dict[str, str] = {}

    def wrote(name: str) -> Callable[[nn.Module, Any, Tensor], None]:
        def after(_layer: nn.Module, _inputs: Any, output: Tensor) -> None:
            calls[name] += 1
            written.append((output, name))

        return after

    def reads(name: str) -> Callable[[nn.Module, tuple[Any, ...]], None]:
        def before(_norm: nn.Module, inputs: tuple[Any, ...]) -> None:
            calls[name] += 1
            found.update({source: name for output, source in written if output is inputs[0]})

        return before

    for name, module in watched.named_modules():
        if isinstance(module, Layer):
            module.register_forward_hook(wrote(name))
        elif isinstance(module, _BatchNorm):
            module.register_forward_pre_hook(reads(name))
    with torch.no_grad(), exact_activations():
        watched(images)
    return {layer: norm for layer, norm in found.items() if calls[layer] == calls[norm] == 1}
