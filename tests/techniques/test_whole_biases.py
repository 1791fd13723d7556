"""Whole biases: multiples of the product of both scales, with and without a batch norm, and nothing else moves."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import nn

from workbench.activations import ActivationFormat, round_inputs_
from workbench.compress import compress
from workbench.context import Context, fingerprint
from workbench.grid import Grid, GridSpec
from workbench.network import hold_
from workbench.recipe import Recipe, Step
from workbench.techniques._whole_biases import round_biases_
from workbench.techniques.activation_bits import ActivationBits
from workbench.techniques.distill import Distill
from workbench.techniques.finetune import Finetune
from workbench.techniques.vector_bits import VectorBits
from workbench.techniques.weight_bits import WeightBits

IMAGES = torch.ones(2, 1, 4, 4)


def network(bits: int = 8, inputs: int = 8) -> nn.Sequential:
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(0)
        model = nn.Sequential(nn.Conv2d(1, 3, 3), nn.BatchNorm2d(3), nn.Flatten(), nn.Linear(12, 2)).eval()
        model[1].weight.data = torch.tensor([-2.0, 0.7, 1.0])
        for tensor in (model[1].bias, model[1].running_mean):
            tensor.data.normal_()
    for layer in (model[0], model[3]):
        if bits < 32:
            hold_(layer, grid=Grid.fit(layer.weight, GridSpec(bits=bits)))
        if inputs < 32:
            round_inputs_(layer, ActivationFormat.spanning(-1, 1, inputs))
    return model


def test_a_linear_layer_by_hand() -> None:
    model = nn.Sequential(nn.Flatten(), nn.Linear(16, 1)).eval()
    model[1].weight.data.fill_(127.0)  # scale 1
    model[1].bias.data.fill_(1.3)
    hold_(model[1], grid=Grid.fit(model[1].weight, GridSpec(bits=8)))
    round_inputs_(model[1], ActivationFormat(bits=8, scale=0.5))
    round_biases_(model, IMAGES)
    assert model[1].bias.item() == 1.5


def test_norm_and_layer_together_are_on_the_grid() -> None:
    model = network()
    before = copy.deepcopy(model)
    round_biases_(model, IMAGES)
    gain = model[1].weight.double() / (model[1].running_var.double() + model[1].eps).sqrt()
    bias = (model[0].bias - model[1].running_mean).double() * gain + model[1].bias
    step = model[0]._weight_format.grid.scale.double() * ActivationFormat.spanning(-1, 1, 8).scale * gain.abs()
    steps = bias / step
    torch.testing.assert_close(steps, steps.round(), rtol=0, atol=0.01)
    assert ((model[1].bias - before[1].bias).abs() <= step / 2 + 1e-7).all()
    assert not torch.equal(model[1].bias, before[1].bias)
    assert torch.equal(model[0].bias, before[0].bias)
    assert torch.equal(model[0].weight, before[0].weight)


def test_it_moves_nothing_twice_and_nothing_without_grids() -> None:
    model = network()
    round_biases_(model, IMAGES)
    once = fingerprint(model)
    round_biases_(model, IMAGES)
    assert fingerprint(model) == once
    for other in (network(bits=32), network(inputs=32), network(bits=16), network(inputs=16)):
        before = fingerprint(other)
        round_biases_(other, IMAGES)
        assert fingerprint(other) == before


@pytest.mark.parametrize("step", [VectorBits(), Finetune(epochs=0.5), Distill(epochs=0.5)], ids=lambda step: step.name)
def test_steps_that_may_come_later_keep_biases_whole(step: Step, ctx: Context) -> None:
    recipe = (WeightBits(bits=8, symmetric=True, method="nearest"), ActivationBits(bits=8))
    before = compress(ctx.original, Recipe(recipe), ctx)
    after = compress(ctx.original, Recipe((*recipe, step)), ctx)
    assert fingerprint(after) != fingerprint(before)
    once = fingerprint(after)
    round_biases_(after, ctx.example)
    assert fingerprint(after) == once
