"""Pairs of layers: that both together do what one layer does, and that only possible shapes make a pair."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from workbench.errors import Refused
from workbench.factors import Pair, forms, full_rank, pair, pair_up_, plain, replace_, shapes

LAYERS = {
    "linear": (nn.Linear(7, 5), (3, 2, 7)),
    "conv1d": (nn.Conv1d(3, 4, 3, stride=2, padding=1), (2, 3, 9)),
    "conv2d": (nn.Conv2d(3, 4, (3, 5), stride=(2, 3), padding=(1, 2), dilation=(2, 1)), (2, 3, 11, 13)),
    "same": (nn.Conv2d(3, 4, 3, padding="same", bias=False), (2, 3, 6, 6)),
    "reflected": (nn.Conv2d(3, 4, 3, padding=1, padding_mode="reflect"), (2, 3, 6, 6)),
    "conv3d": (nn.Conv3d(2, 3, 3, padding=1), (2, 2, 4, 5, 6)),
}
every = pytest.mark.parametrize(
    ("layer", "form", "x"),
    [
        pytest.param(layer, form, torch.rand(shape), id=f"{name}-{form}")
        for name, (layer, shape) in LAYERS.items()
        for form in forms(layer)
    ],
)


@every
@torch.no_grad()
def test_a_pair_does_what_one_layer_with_the_product_does(layer: nn.Module, form: str, x: Tensor) -> None:
    rank = full_rank(layer, form) - 1
    made = pair(layer, form, rank)
    first, second = made.parts
    assert (tuple(first.weight.shape), tuple(second.weight.shape)) == shapes(layer, form, rank)
    for part in made.parts:
        part.weight.copy_(torch.rand_like(part.weight))
    dense = type(layer)(**_settings(layer))
    dense.weight.copy_(torch.einsum("ri...,or...->oi...", first.weight, second.weight))
    if layer.bias is not None:
        second.bias.copy_(layer.bias)
        dense.bias.copy_(layer.bias)
    assert first.bias is None
    torch.testing.assert_close(made(x), dense(x), rtol=1e-4, atol=1e-4)


def _settings(layer: nn.Module) -> dict[str, object]:
    if isinstance(layer, nn.Linear):
        return {"in_features": layer.in_features, "out_features": layer.out_features}
    names = ("in_channels", "out_channels", "kernel_size", "stride", "padding", "dilation", "padding_mode")
    return {name: getattr(layer, name) for name in names} | {"bias": layer.bias is not None}


def test_full_rank_is_the_smaller_side_of_the_matrix() -> None:
    wide = nn.Conv2d(4, 6, (3, 5))
    assert (full_rank(wide, "channel"), full_rank(wide, "spatial")) == (6, 12)  # 6 of 6 x 60; 12 of 30 x 12
    assert full_rank(nn.Linear(3, 8), "channel") == 3
    assert forms(nn.Conv2d(4, 4, (1, 3))) == forms(nn.Linear(2, 2)) == ("channel",)


def test_device_type_and_gradients_are_those_of_the_layer() -> None:
    layer = nn.Linear(4, 3).double().requires_grad_(False).eval()
    made = pair(layer, "channel", 2)
    assert {p.dtype for p in made.parameters()} == {torch.float64}
    assert not any(p.requires_grad for p in made.parameters())
    assert not made.training
    assert not made[0].training


def test_only_ordinary_ungrouped_layers_are_plain() -> None:
    class Squared(nn.Linear):
        def forward(self, x: Tensor) -> Tensor:
            return super().forward(x) ** 2

    class Renamed(nn.Linear):
        pass

    assert plain(nn.Conv2d(2, 2, 3))
    assert plain(Renamed(2, 2))
    assert not plain(Squared(2, 2))
    assert not plain(nn.Conv2d(2, 2, 3, groups=2))
    assert not plain(nn.ReLU())


def stored(model: nn.Module) -> dict[str, tuple[int, ...]]:
    return {name: tuple(tensor.shape) for name, tensor in model.state_dict().items()}


@every
def test_shapes_alone_tell_the_pair(layer: nn.Module, form: str, x: Tensor) -> None:
    model = nn.Sequential(layer, nn.ReLU())
    replace_(model, "0", pair(layer, form, 2))
    again = nn.Sequential(layer, nn.ReLU())
    pair_up_(again, stored(model))
    assert stored(again) == stored(model)
    assert isinstance(again[0], Pair)
    assert str(again) == str(model)  # settings of both layers and all
    assert again[0].state_dict().keys() == model[0].state_dict().keys()


def test_what_is_no_pair_stays() -> None:
    nested = nn.Sequential(nn.Sequential(nn.Linear(4, 3), nn.Linear(3, 2)))
    before = stored(nested)
    pair_up_(nested, before)
    assert not any(isinstance(module, Pair) for module in nested.modules())
    pair_up_(nested, {})
    assert stored(nested) == before


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ((0, 4, 3, 3), (6, 0, 1, 1)),
        ((7, 4, 3, 3), (6, 7, 1, 1)),  # above the full rank
        ((2**30, 4, 3, 3), (6, 2**30, 1, 1)),
        ((2, 4, 3, 3), (6, 2, 3, 3)),
        ((2, 4, 1, 3), (6, 2, 3, 1)),  # the other way round
        ((2, 4), (6, 2)),
    ],
)
def test_impossible_factors_are_refused(first: tuple[int, ...], second: tuple[int, ...]) -> None:
    model = nn.Sequential(nn.Conv2d(4, 6, 3))
    with pytest.raises(Refused, match=r"no factors of 0 \[6, 4, 3, 3\] can have the shapes"):
        pair_up_(model, {"0.0.weight": first, "0.1.weight": second})
    assert isinstance(model[0], nn.Conv2d)


def test_a_grouped_layer_has_no_factors() -> None:
    with pytest.raises(Refused, match="no factors of 0"):
        pair_up_(nn.Sequential(nn.Conv2d(4, 4, 1, groups=2)), {"0.0.weight": (1, 2, 1, 1), "0.1.weight": (4, 1, 1, 1)})
