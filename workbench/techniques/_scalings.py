"""Scalings that a network does not notice, because what is multiplied in one place is divided in another."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from workbench.network import Layer, clone
from workbench.reconstruction.patches import as_rows, groups


@dataclass(frozen=True, eq=False)
class Link:
    """Channels that one layer writes, perhaps through a batch norm, and only one other layer reads.

    A channel is divided where it is written, and multiplied where it is read.
    """

    writer: str
    norm: str
    """"" where there is none."""
    reader: str
    columns: Tensor
    """Which of the writer's channels each input channel, or feature, of the reader is; int64 [I]."""


@dataclass(frozen=True)
class Row:
    """Outputs of a layer that a batch norm reads: their weights are multiplied, and its statistics with them."""

    writer: str
    norm: str


Scaling: TypeAlias = tuple[Link | Row, Tensor]
"""Divides the channels of a link, or multiplies the weights of rows, by positive factors [C]."""


def scaled(model: nn.Module, factors: Sequence[Scaling]) -> nn.Module:
    """Return a copy with all these scalings, in evaluation mode."""
    result = clone(model).eval()
    for place, factor in factors:
        scale_(result, place, factor)
    return result


@torch.no_grad()
def scale_(model: nn.Module, place: Link | Row, factor: Tensor) -> None:
    """Scale in place; a row whose norm has hardly any variance is multiplied by no less than that allows."""
    writer = layer(model, place.writer)
    if isinstance(place, Row):
        norm = batch_norm(model, place.norm)
        mean, variance = _statistics(norm)
        spread = variance + norm.eps
        factor = torch.maximum(factor, (norm.eps / spread).sqrt())  # what it adds to the variance is not scaled
        _multiply_(writer, factor)
        mean.mul_(factor)
        variance.copy_((factor.square() * spread - norm.eps).clamp(min=0))
        return
    if place.norm:
        norm = batch_norm(model, place.norm)
        norm.weight.div_(factor)
        norm.bias.div_(factor)
    else:
        _multiply_(writer, 1 / factor)
    reader = layer(model, place.reader)
    columns = factor[place.columns].view(groups(reader), 1, -1, 1)
    reader.weight.copy_((_by_input(reader) * columns).view_as(reader.weight))


def written(model: nn.Module, place: Link | Row) -> Tensor:
    """Return the largest magnitude of the weights of each channel [C]; of a link, as its norm scales them."""
    writer = layer(model, place.writer)
    largest = writer.weight.detach().float().flatten(1).abs().amax(1)
    if isinstance(place, Row) or not place.norm:
        return largest
    norm = batch_norm(model, place.norm)
    return largest * norm.weight.detach().abs() / (_statistics(norm)[1] + norm.eps).sqrt()


def read(model: nn.Module, link: Link) -> Tensor:
    """Return the largest magnitude of the weights that each channel [C] of a link is multiplied with."""
    reader = layer(model, link.reader)
    inputs = _by_input(reader).abs().amax((1, 3)).flatten()
    largest = inputs.new_zeros(len(layer(model, link.writer).weight))
    return largest.scatter_reduce(0, link.columns, inputs, "amax")


def layer(model: nn.Module, name: str) -> Layer:
    """Return the layer of that name."""
    found = model.get_submodule(name)
    if not isinstance(found, Layer):
        raise TypeError(f"{name} is no layer")
    return found


def batch_norm(model: nn.Module, name: str) -> _BatchNorm:
    """Return the batch norm of that name."""
    found = model.get_submodule(name)
    if not isinstance(found, _BatchNorm):
        raise TypeError(f"{name} is no batch norm")
    return found


def _statistics(norm: _BatchNorm) -> tuple[Tensor, Tensor]:
    """Return mean and variance of a batch norm, the very buffers."""
    if norm.running_mean is None or norm.running_var is None:
        raise TypeError("this batch norm keeps no statistics")
    return norm.running_mean, norm.running_var


def _multiply_(writer: Layer, factor: Tensor) -> None:
    writer.weight.mul_(factor.view(-1, *[1] * (writer.weight.ndim - 1)))
    if writer.bias is not None:
        writer.bias.mul_(factor)


def _by_input(reader: Layer) -> Tensor:
    """Return the weight as [G, out / G, in / G, taps]."""
    weight = reader.weight.detach()
    found: Tensor = as_rows(reader, weight).unflatten(2, (weight.shape[1], -1))
    return found
