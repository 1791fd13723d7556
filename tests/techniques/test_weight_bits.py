"""Weight bits: which layer gets which grid. The grids themselves are tested in test_grid.py."""

from __future__ import annotations

import functools

import pytest
import torch
from torch import nn

from workbench.context import Context
from workbench.network import layers, weight_format
from workbench.registry import roundings
from workbench.techniques.magnitude import Magnitude
from workbench.techniques.weight_bits import WeightBits

plain = functools.partial(WeightBits, method="nearest", correct=False)

WEIGHT = ((1.0, -0.4, 0.2), (30.0, -16.0, 7.0))


def linear() -> nn.Module:
    model = nn.Sequential(nn.Linear(3, 2))
    model[0].weight.data = torch.tensor(WEIGHT)
    return model


def test_two_bits_per_channel_by_hand(ctx: Context) -> None:
    # ternary with the scales 1 and 30
    result = plain(bits=2, symmetric=True).apply(linear(), ctx)
    assert result[0].weight.tolist() == [[1, 0, 0], [30, -30, 0]]


def test_two_bits_for_the_layer_by_hand(ctx: Context) -> None:
    # ternary with the scale 30
    result = plain(bits=2, per_channel=False, symmetric=True).apply(linear(), ctx)
    assert result[0].weight.tolist() == [[0, 0, 0], [30, -30, 0]]


def test_two_bits_asymmetric_by_hand(ctx: Context) -> None:
    # four values from -16 to 30: the scale is 46/3, the zero point round(16 / (46/3)) = 1
    result = plain(bits=2, per_channel=False, symmetric=False).apply(linear(), ctx)
    step = 46 / 3
    assert result[0].weight.flatten().tolist() == pytest.approx([0, 0, 0, 2 * step, -step, 0])


def test_one_bit_is_the_sign_times_the_mean_magnitude(ctx: Context) -> None:
    result = plain(bits=1).apply(linear(), ctx)
    a, b = 1.6 / 3, 53 / 3
    assert result[0].weight.flatten().tolist() == pytest.approx([a, -a, a, b, -b, b])


def test_one_bit_leaves_pruned_weights_out_of_the_mean(ctx: Context) -> None:
    pruned = Magnitude(ratio=0.33, method="mask", scope="layer", score="magnitude").apply(
        linear(), ctx
    )  # 0.2 and -0.4 go
    result = plain(bits=1).apply(pruned, ctx)
    b = 53 / 3
    assert result[0].weight.flatten().tolist() == pytest.approx([1, 0, 0, b, -b, b])


def test_sixteen_bits_are_halves_and_thirty_two_change_nothing(net: nn.Module, ctx: Context) -> None:
    half, same = WeightBits(bits=16).apply(net, ctx), WeightBits(bits=32).apply(net, ctx)
    for name, layer in layers(net).items():
        assert torch.equal(layers(half)[name].weight, layer.weight.half().float())
        assert torch.equal(layers(same)[name].weight, layer.weight)
        assert weight_format(layers(same)[name]).grid is None


def test_layers_may_have_bits_of_their_own(net: nn.Module, ctx: Context) -> None:
    found = layers(WeightBits(bits=4, layers={"conv1": 8, "fc": 32}).apply(net, ctx))
    assert weight_format(found["conv1"]).grid.spec.bits == 8
    assert weight_format(found["conv2"]).grid.spec.bits == 4
    assert weight_format(found["fc"]).grid is None
    assert torch.equal(found["fc"].weight, net.fc.weight), "32 bits change nothing"


@pytest.mark.parametrize("bits", [2, 3, 4, 8])
@pytest.mark.parametrize("per_channel", [True, False])
def test_there_are_at_most_two_to_the_bits_values(bits: int, per_channel: bool, net: nn.Module, ctx: Context) -> None:
    for symmetric in (True, False):
        result = WeightBits(bits=bits, per_channel=per_channel, symmetric=symmetric).apply(net, ctx)
        for layer in layers(result).values():
            rows = layer.weight.flatten(1) if per_channel else layer.weight.reshape(1, -1)
            assert max(len(row.unique()) for row in rows) <= 2**bits


def test_pruned_weights_stay_zero_in_either_order(net: nn.Module, ctx: Context) -> None:
    for bits in (1, 2, 4, 16):
        for symmetric in (True, False):
            prune, quantize = Magnitude(ratio=0.7), WeightBits(bits=bits, symmetric=symmetric)
            for steps in ((prune, quantize), (quantize, prune)):
                model = net
                for step in steps:
                    model = step.apply(model, ctx)
                for layer in layers(model).values():
                    form = weight_format(layer)
                    assert form.grid.spec.bits == bits
                    assert not layer.weight[~form.mask].any()


def test_a_coarser_grid_replaces_a_finer_one(net: nn.Module, ctx: Context) -> None:
    fine = WeightBits(bits=8).apply(net, ctx)
    coarse = WeightBits(bits=2).apply(fine, ctx)
    assert all(weight_format(layer).grid.spec.bits == 2 for layer in layers(coarse).values())
    assert all(weight_format(layer).grid.spec.bits == 8 for layer in layers(fine).values()), "the input changed"


def test_more_bits_come_nearer(net: nn.Module, ctx: Context) -> None:
    def error(bits: int) -> float:
        result = layers(plain(bits=bits).apply(net, ctx))
        return sum(
            float((result[name].weight - layer.weight).detach().square().sum()) for name, layer in layers(net).items()
        )

    errors = [error(bits) for bits in (2, 3, 4, 5, 6, 7, 8, 16, 32)]
    assert errors == sorted(errors, reverse=True)
    assert errors[-1] == 0 < errors[-2]


@pytest.mark.parametrize("method", roundings.names())
@pytest.mark.parametrize("bits", [1, 2, 4, 8])
@pytest.mark.parametrize("per_channel", [True, False])
def test_every_method_keeps_to_its_grid(
    method: str, bits: int, per_channel: bool, net: nn.Module, ctx: Context
) -> None:
    pruned = Magnitude(ratio=0.5, method="mask", score="magnitude").apply(net, ctx)
    result = WeightBits(bits=bits, method=method, per_channel=per_channel).apply(pruned, ctx)
    for layer in layers(result).values():
        form = weight_format(layer)
        assert form.grid.spec.kind == roundings.get(method).kind
        assert torch.equal(form.snapped(layer.weight.detach()), layer.weight)
        assert not layer.weight[~form.mask].any()


def test_methods_that_look_come_nearer_to_the_original(net: nn.Module, ctx: Context) -> None:
    images = ctx.calibration.inputs(torch.arange(96))

    def distance(**settings: object) -> float:
        return float((WeightBits(bits=3, **settings).apply(net, ctx)(images) - net(images)).detach().square().mean())

    nearest = distance(method="nearest", correct=False)
    assert distance(method="nearest", correct=True) < nearest
    for name in roundings.names():
        if roundings.get(name).looks:
            assert distance(method=name) < 0.7 * nearest, name
