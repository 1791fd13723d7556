"""From a network to the same network with some layers factored: what each rank would cost in error, and doing it."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from typing import TypeAlias

import torch
from torch import Tensor, nn

from workbench.activations import activation_format, output_format, round_inputs_, round_outputs_
from workbench.context import Context
from workbench.factors import forms, pair, replace_
from workbench.network import Layer, clone, layers
from workbench.reconstruction.problem import Problem
from workbench.reconstruction.sequence import walk
from workbench.techniques._factors import Factors, errors, factors

Curves: TypeAlias = Mapping[str, Mapping[str, tuple[float, ...]]]
"""By layer and form: the share of the layer's output energy that is lost at each rank, from 0 on."""
Visit: TypeAlias = Callable[[str, Layer, Tensor, Tensor], Tensor]
"""From a layer's name, the layer, its hessian [D, D] and its best weight [O, D] to the weight that it gets."""
Wanted: TypeAlias = Mapping[str, tuple[str, int]]
"""By layer: form and rank."""


def curves(model: nn.Module, names: Iterable[str], ctx: Context, *, weighted: bool) -> Curves:
    """Return what each rank loses, each layer seen on its own; kept in the context's cache.

    `weighted` measures it at the outputs of the reference on calibration images, else in the weights themselves.
    """
    wanted = tuple(names)
    key = f"ranks/{ctx.key_of(model)}/{ctx.reference_key if weighted else ''}/{wanted}"
    return ctx.cache.get(key, lambda: _curves(model, wanted, ctx, weighted=weighted))


def factored(model: nn.Module, wanted: Wanted, ctx: Context, *, weighted: bool, alone: bool = False) -> nn.Module:
    """Return a copy with layers factored, one after the other; all others keep their weights, and `alone` their biases.

    Where data weigh, each layer is factored for what reaches it after those before it, and biases and batch norms meet
    the means of the reference.
    """
    found: dict[str, Factors] = {}

    def split(name: str, layer: Layer, hessian: Tensor, best: Tensor) -> Tensor:
        found[name] = factors(hessian, best, layer, *wanted[name])
        return found[name].product

    result = _visited(model, wanted, split, ctx, weighted=weighted, alone=alone)
    for name in found:
        substitute_(result, name, wanted[name][0], found[name])
    return result


@torch.no_grad()
def substitute_(model: nn.Module, name: str, form: str, weights: Factors) -> None:
    """Put two layers with these weights in the place of a layer, in place; the second one gets the bias."""
    layer = layers(model)[name]
    made = pair(layer, form, len(weights.first))
    first, second = made.parts
    first.weight.copy_(weights.first)
    second.weight.copy_(weights.second)
    if second.bias is not None and layer.bias is not None:
        second.bias.copy_(layer.bias)
    if (read := activation_format(layer)) is not None:
        round_inputs_(first, read)
    if (written := output_format(layer)) is not None:
        round_outputs_(made, written)
    replace_(model, name, made)


def _curves(model: nn.Module, names: Collection[str], ctx: Context, *, weighted: bool) -> Curves:
    found: dict[str, dict[str, tuple[float, ...]]] = {}

    def look(name: str, layer: Layer, hessian: Tensor, best: Tensor) -> Tensor:
        by_form = {form: errors(hessian, best, layer, form) for form in forms(layer)}
        found[name] = {form: _shares(lost) for form, lost in by_form.items()}
        return layer.weight

    _visited(model, names, look, ctx, weighted=weighted)
    return found


def _visited(
    model: nn.Module, names: Collection[str], visit: Visit, ctx: Context, *, weighted: bool, alone: bool = False
) -> nn.Module:
    """Return a copy in which `visit` has set the weights of the layers with these names, which must be ungrouped."""

    def solve(name: str, layer: Layer, problem: Problem) -> Tensor:
        return visit(name, layer, problem.hessian[0], problem.best[0]) if name in names else layer.weight

    if weighted:
        return walk(model, ctx, solve, only=names if alone else None)
    result = clone(model).eval()
    for name, layer in layers(result).items():
        if name in names:
            weight = layer.weight.detach().flatten(1)
            with torch.no_grad():
                layer.weight.copy_(visit(name, layer, torch.eye(weight.shape[1], device=weight.device), weight))
    return result


def _shares(lost: Tensor) -> tuple[float, ...]:
    """Return errors as shares of that of rank 0, which is all there is to lose."""
    return tuple((lost / lost[0].clamp(min=torch.finfo(lost.dtype).tiny)).tolist())
