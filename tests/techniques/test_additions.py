"""Additions: which modules feed them, and what Activation bits makes of that."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from workbench.activations import (
    ActivationFormat,
    activation_formats,
    exact_activations,
    output_format,
    output_formats,
    round_outputs_,
)
from workbench.context import Context, fingerprint
from workbench.export.packed import pack, unpack
from workbench.techniques._additions import operands
from workbench.techniques.activation_bits import ActivationBits


class Block(nn.Module):
    """A block as torchvision writes it: the same activation twice, and sums in place."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(channels, channels, 3, padding=1, bias=False)
        self.bn = nn.BatchNorm2d(channels)
        nn.init.constant_(self.bn.bias, -0.1)
        self.relu = nn.ReLU(inplace=True)

    def forward(self, x: Tensor) -> Tensor:
        out = self.relu(self.conv(x))
        out = self.bn(out)
        out += x
        return self.relu(out)


def residual(_: str = "") -> nn.Module:
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(0)
        stem = nn.Conv2d(1, 4, 3, padding=1)
        return nn.Sequential(stem, Block(4), Block(4), nn.Flatten(), nn.Linear(256, 3)).eval()


class Tokens(nn.Module):
    """Adds what is no feature map, a constant, and shapes that differ."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.other = nn.Conv2d(1, 1, 1), nn.Conv2d(1, 1, 1)
        self.place = nn.Parameter(torch.ones(1, 1, 8, 8))

    def forward(self, x: Tensor) -> Tensor:
        maps = self.conv(x) + self.place
        maps = self.other(maps) + maps.mean((2, 3), keepdim=True)
        return self.conv(maps).flatten(1) + self.other(maps).flatten(1)


def test_what_is_added_is_found_where_it_was_put_out_last() -> None:
    # in place, bn and the block put out the same tensor: the layer that reads the block does not read bn
    assert operands(residual(), torch.ones(2, 1, 8, 8)) == {
        "1.bn": (),
        "0": ("1.conv",),
        "2.bn": (),
        "1": ("2.conv",),
    }


def test_only_feature_maps_of_one_shape_count() -> None:
    assert operands(Tokens().eval(), torch.ones(2, 1, 8, 8)) == {}


def test_operands_share_the_grid_of_who_reads_them(make_ctx: Callable[..., Context]) -> None:
    model = residual()
    result = ActivationBits(bits=8).apply(model, make_ctx(original=model))
    outputs, inputs = output_formats(result), activation_formats(result)
    assert set(outputs) == {"0", "1", "1.bn", "2.bn"}
    assert outputs["0"] == inputs["1.conv"]
    assert outputs["1"] == inputs["2.conv"]
    assert outputs["1.bn"].zero > 0  # it has negative values
    assert output_formats(model) == {}


def test_fewer_bits_leave_eight_to_the_sums(make_ctx: Callable[..., Context]) -> None:
    model = residual()
    ctx = make_ctx(original=model)
    outputs = output_formats(ActivationBits(bits=4).apply(model, ctx))
    assert {form.bits for form in outputs.values()} == {8}
    for step in (ActivationBits(bits=4, additions=False), ActivationBits(bits=16), ActivationBits(bits=32)):
        assert output_formats(step.apply(model, ctx)) == {}


def test_a_module_rounds_what_it_puts_out() -> None:
    module = nn.Identity()
    round_outputs_(module, ActivationFormat(bits=4, scale=1.0, zero=0))
    x = torch.tensor([0.4, 7.6, 99.0])
    assert module(x).tolist() == [0, 8, 15]
    with exact_activations():
        assert torch.equal(module(x), x)
    assert module(torch.tensor([3])).tolist() == [3]
    round_outputs_(module, None)
    assert torch.equal(module(x), x)
    assert output_format(module) is None
    assert len(module._forward_hooks) == 1


def test_a_fingerprint_knows_of_outputs() -> None:
    first, second = residual(), residual()
    assert fingerprint(first) == fingerprint(second)
    round_outputs_(second[1], ActivationFormat(bits=8))
    assert fingerprint(first) != fingerprint(second)


def test_a_packed_file_brings_outputs_back() -> None:
    model, form = residual(), ActivationFormat.spanning(-1.0, 2.0, 8)
    round_outputs_(model[1], form)
    round_outputs_(model[1].bn, ActivationFormat(bits=16))
    loaded = unpack(pack(model).data, residual)
    assert output_formats(loaded) == {"1": form, "1.bn": ActivationFormat(bits=16)}
    images = torch.rand(3, 1, 8, 8, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        assert torch.equal(loaded(images), model(images))


@pytest.mark.parametrize("bits", [2, 8])
def test_a_network_without_additions_is_what_it_was(bits: int, net: nn.Module, ctx: Context) -> None:
    with_, without = (ActivationBits(bits=bits, additions=additions).apply(net, ctx) for additions in (True, False))
    assert fingerprint(with_) == fingerprint(without)
