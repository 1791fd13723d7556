"""Magnitude pruning: masks worked by hand, LAMP against a plain loop."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from workbench.context import Context, Patience, fingerprint
from workbench.network import layers, weight_format
from workbench.reconstruction.contest import contest
from workbench.registry import scores
from workbench.techniques.magnitude import Magnitude

SMALL = ((1.0, -2.0), (3.0, -4.0))
LARGE = ((10.0, 20.0), (30.0, -40.0))


def two_layers(first: object = SMALL, second: object = LARGE) -> nn.Module:
    """Return a perceptron with two weights [2, 2] that are given."""
    model = nn.Sequential(nn.Linear(2, 2), nn.ReLU(), nn.Linear(2, 2))
    model[0].weight.data = torch.tensor(first)
    model[2].weight.data = torch.tensor(second)
    return model


def masks(model: nn.Module) -> dict[str, list[list[int]]]:
    return {name: weight_format(layer).mask.int().tolist() for name, layer in layers(model).items()}


def share(model: nn.Module) -> dict[str, float]:
    return {name: float((layer.weight == 0).float().mean()) for name, layer in layers(model).items()}


def test_one_threshold_by_magnitude_empties_the_small_layer(ctx: Context) -> None:
    result = Magnitude(ratio=0.5, method="mask", score="magnitude").apply(two_layers(), ctx)
    assert masks(result) == {"0": [[0, 0], [0, 0]], "2": [[1, 1], [1, 1]]}
    assert result[0].weight.tolist() == [[0, 0], [0, 0]]
    assert result[2].weight.tolist() == [[10, 20], [30, -40]]


@pytest.mark.parametrize("score", [name for name in scores.names() if name != "random"])
@pytest.mark.parametrize("method", ["once", "rounds"])
def test_a_refit_has_something_left_of_every_layer(score: str, method: str, net: nn.Module, ctx: Context) -> None:
    net.conv1.weight.data *= 1e-3
    net.bn1.weight.data *= 1e3
    bare = Magnitude(ratio=0.9, method=method, score=score).apply(net, ctx)
    for layer in layers(bare).values():
        assert torch.isfinite(layer.weight).all()
        assert int(weight_format(layer).mask.sum()) >= min(layer.weight.shape[0], layer.weight.numel())


def test_one_threshold_by_lamp_shares_fairly(ctx: Context) -> None:
    # both layers have the scores 1/30 4/29 9/25 1: LAMP does not see how large a layer's weights are as a whole
    result = Magnitude(ratio=0.5, method="mask", score="lamp").apply(two_layers(), ctx)
    assert masks(result) == {"0": [[0, 0], [1, 1]], "2": [[0, 0], [1, 1]]}


def test_the_same_share_of_each_layer(ctx: Context) -> None:
    result = Magnitude(ratio=0.25, method="mask", score="magnitude", scope="layer").apply(two_layers(), ctx)
    assert masks(result) == {"0": [[0, 1], [1, 1]], "2": [[0, 1], [1, 1]]}


@pytest.mark.parametrize("scope", ["global", "layer"])
def test_a_layer_may_have_a_ratio_of_its_own(scope: str, ctx: Context) -> None:
    step = Magnitude(ratio=0.5, method="mask", score="magnitude", scope=scope, layers={"2": 0.75})
    assert masks(step.apply(two_layers(), ctx)) == {"0": [[0, 0], [1, 1]], "2": [[0, 0], [0, 1]]}


@pytest.mark.parametrize("score", scores.names())
@pytest.mark.parametrize("scope", ["global", "layer"])
def test_nothing_and_nearly_everything(scope: str, score: str, net: nn.Module, ctx: Context) -> None:
    whole = Magnitude(ratio=0, scope=scope, score=score).apply(net, ctx)
    assert all(torch.equal(layer.weight, layers(net)[name].weight) for name, layer in layers(whole).items())
    bare = Magnitude(ratio=0.99, scope=scope, score=score).apply(net, ctx)
    count = sum(layer.weight.numel() for layer in layers(net).values())
    zeros = sum(int((layer.weight == 0).sum()) for layer in layers(bare).values())
    parts = [count] if scope == "global" else [layer.weight.numel() for layer in layers(net).values()]
    assert zeros == sum(round(0.99 * part) for part in parts)


def test_lamp_never_empties_a_layer(net: nn.Module, ctx: Context) -> None:
    net.conv1.weight.data *= 1e-3
    bare = Magnitude(ratio=0.99, score="lamp").apply(net, ctx)
    assert all(ratio < 1 for ratio in share(bare).values())


def test_what_was_pruned_stays_pruned(net: nn.Module, ctx: Context) -> None:
    first = Magnitude(ratio=0.6).apply(net, ctx)
    for score in ("lamp", "magnitude", "random"):
        second = Magnitude(ratio=0.3, score=score).apply(first, ctx)
        third = Magnitude(ratio=0.8, score=score).apply(first, ctx)
        for name, layer in layers(first).items():
            before = weight_format(layer).mask
            assert torch.equal(weight_format(layers(second)[name]).mask, before)  # the 30 % lie within the 60 %
            assert not (weight_format(layers(third)[name]).mask & ~before).any()
        zeros = sum(int((layer.weight == 0).sum()) for layer in layers(third).values())
        assert zeros == round(0.8 * sum(layer.weight.numel() for layer in layers(net).values()))


def test_the_random_control_depends_on_the_seed_alone(net: nn.Module, make_ctx: Callable[..., Context]) -> None:
    step = Magnitude(ratio=0.5, method="mask", score="random")

    def kept(seed: int, model: nn.Module) -> Tensor:
        result = step.apply(model, make_ctx(seed=seed))
        return torch.cat([weight_format(layer).mask.flatten() for layer in layers(result).values()])

    first = kept(1, net)
    assert torch.equal(first, kept(1, net))
    assert not torch.equal(first, kept(2, net))
    for layer in layers(net).values():
        layer.weight.data = torch.rand(layer.weight.shape, generator=torch.Generator().manual_seed(3)) + 1
    assert torch.equal(first, kept(1, net)), "the weights themselves must not count"
    assert float(first.float().mean()) == pytest.approx(0.5, abs=0.01)


def test_a_mask_alone_leaves_biases_and_batch_norms(net: nn.Module, ctx: Context) -> None:
    result = Magnitude(ratio=0.9, method="mask").apply(net, ctx)
    weights = {f"{name}.weight" for name in layers(net)}
    after = result.state_dict()
    assert all(torch.equal(value, after[name]) for name, value in net.state_dict().items() if name not in weights)


@pytest.mark.parametrize("method", ["rounds", "once"])
def test_a_refit_comes_nearer_to_the_original(method: str, net: nn.Module, ctx: Context) -> None:
    images = ctx.calibration.inputs(torch.arange(96))

    def distance(step: Magnitude) -> float:
        return float((step.apply(net, ctx)(images) - net(images)).detach().square().mean())

    plain = distance(Magnitude(ratio=0.7, method="mask", score="magnitude"))
    assert distance(Magnitude(ratio=0.7, method=method, score="magnitude")) < 0.5 * plain


def test_auto_takes_the_winner_of_a_contest_on_validation_images(net: nn.Module, ctx: Context) -> None:
    step = Magnitude(ratio=0.6)
    entries = list(contest([dataclasses.replace(step, **rival, **step.bout) for rival in step.rivals], net, ctx))
    winner = min(entries, key=lambda entry: entry.divergence).step
    made = dataclasses.replace(step, score=winner.score).apply(net, ctx)
    assert fingerprint(step.apply(net, ctx)) == fingerprint(made)


def test_a_slider_that_cannot_wait_gets_the_mask_alone_and_is_told(
    net: nn.Module, make_ctx: Callable[..., Context]
) -> None:
    ctx = make_ctx(patience=Patience.NOW)
    step = Magnitude(ratio=0.7, score="magnitude")
    quick = step.apply(net, ctx)
    assert ctx.provisional == ["weight pruning by the simple method"]
    assert fingerprint(quick) == fingerprint(dataclasses.replace(step, method="mask").apply(net, ctx))


def test_a_prepared_position_stands_in_for_one_nearby_and_is_named(
    net: nn.Module, make_ctx: Callable[..., Context]
) -> None:
    patient = make_ctx()
    exact = Magnitude(ratio=0.7, score="magnitude").apply(net, patient)
    ctx = dataclasses.replace(patient, patience=Patience.NOW, provisional=[])
    near = Magnitude(ratio=0.72, score="magnitude").apply(net, ctx)
    assert fingerprint(near) == fingerprint(exact)
    assert len(ctx.provisional) == 1
    assert "ratio 70 %" in ctx.provisional[0]
    assert "nearest" in ctx.provisional[0]
    ctx.provisional.clear()
    assert fingerprint(Magnitude(ratio=0.7, score="magnitude").apply(net, ctx)) == fingerprint(exact)
    assert not ctx.provisional
    Magnitude(ratio=0.85, score="magnitude").apply(net, ctx)
    assert ctx.provisional == ["weight pruning by the simple method"]  # 70 % is too far away


def test_a_layer_of_its_own_is_put_together_from_prepared_positions(
    net: nn.Module, make_ctx: Callable[..., Context]
) -> None:
    patient = make_ctx()
    general = Magnitude(ratio=0.5, score="magnitude", scope="layer").apply(net, patient)
    other = Magnitude(ratio=0.9, score="magnitude", scope="layer").apply(net, patient)
    ctx = dataclasses.replace(patient, patience=Patience.NOW, provisional=[])
    quick = Magnitude(ratio=0.5, score="magnitude", scope="layer", layers={"conv2": 0.9}).apply(net, ctx)
    assert torch.equal(quick.conv2.weight, other.conv2.weight)
    assert torch.equal(quick.conv1.weight, general.conv1.weight)
    assert torch.equal(quick.fc.weight, general.fc.weight)
    assert len(ctx.provisional) == 1
