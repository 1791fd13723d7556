"""Recipes of several steps: what one step promised, the next ones keep."""

from __future__ import annotations

import dataclasses
import itertools

import pytest
import torch
from torch import nn

from workbench.compress import compress
from workbench.context import Context, fingerprint
from workbench.network import layers, weight_format
from workbench.recipe import Recipe
from workbench.techniques.batchnorm import BatchNorm
from workbench.techniques.distill import Distill
from workbench.techniques.finetune import Finetune
from workbench.techniques.magnitude import Magnitude
from workbench.techniques.weight_bits import WeightBits

STEPS = (Magnitude(ratio=0.8), WeightBits(bits=3, symmetric=False), BatchNorm(), Finetune(epochs=0.5))


@pytest.mark.parametrize(
    "order", list(itertools.permutations(STEPS)), ids=lambda order: "-".join(s.name for s in order)
)
def test_any_order_ends_pruned_and_on_the_grid(order: tuple, net: nn.Module, ctx: Context) -> None:
    result = compress(net, Recipe(order), ctx)
    zeros = sum(int((layer.weight == 0).sum()) for layer in layers(result).values())
    assert zeros >= round(0.8 * sum(layer.weight.numel() for layer in layers(net).values()))
    for layer in layers(result).values():
        form = weight_format(layer)
        codes = form.grid.encode(layer.weight)
        assert int(codes.min()) >= 0
        assert int(codes.max()) <= 7
        assert torch.equal(form.grid.decode(codes), layer.weight)


def test_the_order_matters(net: nn.Module, ctx: Context) -> None:
    prune, quantize = Magnitude(ratio=0.5), WeightBits(bits=2, symmetric=False)
    one, other = (compress(net, Recipe(steps), ctx) for steps in ((prune, quantize), (quantize, prune)))
    assert fingerprint(one) != fingerprint(other)


def test_a_student_of_the_zoo_starts_free_and_can_be_compressed(net: nn.Module, ctx: Context) -> None:
    steps = (Magnitude(ratio=0.9), Distill(student="toy", epochs=0.5), WeightBits(bits=4))
    result = compress(net, Recipe(steps), ctx)
    for layer in layers(result).values():
        assert weight_format(layer).mask is None
        assert weight_format(layer).grid.spec.bits == 4


def test_the_same_step_twice_is_the_step_once(net: nn.Module, ctx: Context) -> None:
    mask, nearest = (
        Magnitude(ratio=0.7, method="mask", score="lamp"),
        WeightBits(bits=4, method="nearest", correct=False),
    )
    for step in (mask, nearest, WeightBits(bits=16), dataclasses.replace(mask, score="random")):
        once, twice = (compress(net, Recipe((step,) * n), ctx) for n in (1, 2))
        for name, layer in layers(once).items():
            torch.testing.assert_close(layers(twice)[name].weight, layer.weight, rtol=1e-6, atol=0)
