"""Taking channels out of a network, and its masked twin: the same network in which these channels are zero.

A layer's weight leaves with its mask and its grid, so what was held to a format before still is.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from workbench.network import FREE, Layer, clone, set_format_, weight_format
from workbench.techniques._channel_labels import Ports


def sliced(model: nn.Module, ports: Mapping[str, Ports], keep: Tensor) -> nn.Module:
    """Return a copy that has only the channels whose label is kept; `keep` is bool [labels], True for the label 0."""
    result = clone(model)
    for name, port in ports.items():
        module, out, into = result.get_submodule(name), keep[port.out], keep[port.into]
        if out.all() and into.all():
            continue
        rows, columns = (mask.nonzero().flatten().to(_device(module)) for mask in (out, into))
        if isinstance(module, Layer):
            _slice_layer_(module, rows, columns)
        else:
            _slice_channelwise_(module, rows)
    return result


@torch.no_grad()
def masked(model: nn.Module, ports: Mapping[str, Ports], keep: Tensor) -> nn.Module:
    """Return a copy of full width whose channels are zero where the label is not kept."""
    result = clone(model)
    for name, port in ports.items():
        module, gone = result.get_submodule(name), ~keep[port.out]
        if gone.any():
            for parameter in module.parameters(recurse=False):
                parameter[gone.to(parameter.device)] = 0
    return result


def norms(model: nn.Module, ports: Mapping[str, Ports], count: int) -> Tensor:
    """Return for each label the L2 norm of all weights, biases and norm parameters that leave with it; float32 [count].

    A weight between two channels counts for both.
    """
    squares = torch.zeros(count)
    for name, port in ports.items():
        module = model.get_submodule(name)
        for parameter in module.parameters(recurse=False):
            square = parameter.detach().float().cpu().square()
            if len(square) == len(port.out):
                squares.index_add_(0, port.out, square.flatten(1).sum(1) if square.ndim > 1 else square)
            if square.ndim > 1 and square.shape[1] == len(port.into):
                squares.index_add_(0, port.into, square.transpose(0, 1).flatten(1).sum(1))
    return squares.sqrt()


def _slice_layer_(layer: Layer, rows: Tensor, columns: Tensor) -> None:
    grouped = not isinstance(layer, nn.Linear) and layer.groups > 1
    form = weight_format(layer)

    def cut(weight: Tensor) -> Tensor:
        weight = weight.index_select(0, rows)
        return weight if grouped else weight.index_select(1, columns)

    if form is not FREE:
        mask, grid = form.mask, form.grid
        sliced = replace(form, mask=None if mask is None else cut(mask), grid=None if grid is None else grid.rows(rows))
        set_format_(layer, sliced)
    layer.weight = _like(layer.weight, cut(layer.weight.detach()))
    if layer.bias is not None:
        layer.bias = _like(layer.bias, layer.bias.detach()[rows])
    if isinstance(layer, nn.Linear):
        layer.out_features, layer.in_features = len(rows), len(columns)
    else:
        if grouped:
            layer.groups = layer.groups * len(rows) // layer.out_channels
        layer.out_channels, layer.in_channels = len(rows), len(columns)


def _slice_channelwise_(module: nn.Module, rows: Tensor) -> None:
    for name, parameter in module.named_parameters(recurse=False):
        setattr(module, name, _like(parameter, parameter.detach()[rows]))
    if isinstance(module, _BatchNorm):
        module.num_features = len(rows)
        for name in ("running_mean", "running_var"):
            if (statistic := getattr(module, name)) is not None:
                setattr(module, name, statistic[rows])
    elif isinstance(module, nn.GroupNorm):
        module.num_groups = module.num_groups * len(rows) // module.num_channels
        module.num_channels = len(rows)
    elif isinstance(module, nn.PReLU):
        module.num_parameters = len(rows)


def _like(parameter: Tensor, value: Tensor) -> nn.Parameter:
    return nn.Parameter(value, requires_grad=parameter.requires_grad)


def _device(module: nn.Module) -> torch.device:
    return next((tensor.device for tensor in module.state_dict().values()), torch.device("cpu"))
