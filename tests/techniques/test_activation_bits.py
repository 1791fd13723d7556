"""Activation bits: which layer gets which grid, and what later steps make of it."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from workbench.activations import ActivationFormat, activation_formats
from workbench.compress import compress
from workbench.context import Context, fingerprint
from workbench.errors import Cancelled, Refused
from workbench.export.packed import describe, pack, unpack
from workbench.images import Preprocess, TensorImages, View
from workbench.recipe import Recipe
from workbench.techniques.activation_bits import ActivationBits
from workbench.techniques.batchnorm import BatchNorm
from workbench.techniques.channels import Channels
from workbench.techniques.distill import Distill
from workbench.techniques.finetune import Finetune
from workbench.techniques.magnitude import Magnitude

MakeCtx = Callable[..., Context]
METHODS = ("mse", "output", "entropy", "percentile", "minmax")


def answers(model: nn.Module, ctx: Context) -> Tensor:
    with torch.no_grad():
        return torch.cat([model(inputs) for _, inputs, _ in ctx.validation.batches(30)])


def bits_of(model: nn.Module) -> dict[str, int]:
    return {name: form.bits for name, form in activation_formats(model).items()}


def test_the_ends_keep_eight_bits(net: nn.Module, ctx: Context) -> None:
    assert bits_of(ActivationBits(bits=3).apply(net, ctx)) == {"conv1": 8, "conv2": 3, "fc": 8}
    assert bits_of(ActivationBits(bits=3, first_last=False).apply(net, ctx)) == {"conv1": 3, "conv2": 3, "fc": 3}
    assert bits_of(ActivationBits(bits=16).apply(net, ctx)) == {"conv1": 16, "conv2": 16, "fc": 16}
    assert bits_of(ActivationBits(bits=32).apply(net, ctx)) == {}


def test_layers_may_have_bits_of_their_own(net: nn.Module, ctx: Context) -> None:
    step = ActivationBits(bits=4, layers={"conv1": 2, "fc": 32})
    assert bits_of(step.apply(net, ctx)) == {"conv1": 2, "conv2": 4}
    assert bits_of(ActivationBits(bits=32, layers={"fc": 5}).apply(net, ctx)) == {"fc": 5}


def test_minmax_spans_what_was_seen(net: nn.Module, ctx: Context) -> None:
    images = ctx.calibration.inputs(torch.arange(len(ctx.calibration)))
    with torch.no_grad():
        read = net.relu1(net.bn1(net.conv1(images)))
    forms = activation_formats(ActivationBits(bits=8, method="minmax").apply(net, ctx))
    assert forms["conv1"] == ActivationFormat.spanning(images.min().item(), images.max().item(), 8)
    assert forms["conv2"] == ActivationFormat(bits=8, scale=(read.max() / 255).item(), zero=0)


@pytest.mark.parametrize("method", METHODS)
def test_eight_bits_change_next_to_nothing(method: str, net: nn.Module, ctx: Context) -> None:
    exact, rounded = answers(net, ctx), answers(ActivationBits(method=method).apply(net, ctx), ctx)
    assert 0 < (rounded - exact).abs().mean() < 0.03 * exact.abs().mean()


def test_fewer_bits_come_further(net: nn.Module, ctx: Context) -> None:
    exact = answers(net, ctx)
    errors = [
        float((answers(ActivationBits(bits=bits, first_last=False).apply(net, ctx), ctx) - exact).square().mean())
        for bits in (2, 4, 6, 8, 16, 32)
    ]
    assert errors == sorted(errors, reverse=True)
    assert errors[-1] == 0


def test_correcting_brings_the_means_back(net: nn.Module, ctx: Context) -> None:
    images = ctx.calibration.inputs(torch.arange(len(ctx.calibration)))
    with torch.no_grad():
        wanted, plain, corrected = (
            model(images).mean(0)
            for model in (
                net,
                ActivationBits(bits=2).apply(net, ctx),
                ActivationBits(bits=2, correct=True).apply(net, ctx),
            )
        )
    assert not torch.allclose(plain, wanted, atol=1e-2)
    torch.testing.assert_close(corrected, wanted, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("correct", [False, True])
def test_twice_is_once(correct: bool, net: nn.Module, ctx: Context) -> None:
    step = ActivationBits(bits=4, correct=correct)
    once, twice = (compress(net, Recipe((step,) * n), ctx) for n in (1, 2))
    if correct:
        torch.testing.assert_close(answers(twice, ctx), answers(once, ctx), atol=0.05, rtol=0.05)
    else:
        assert fingerprint(twice) == fingerprint(once)


def test_another_width_does_not_look_again(net: nn.Module, make_ctx: MakeCtx) -> None:
    seen: list[str] = []
    ctx = make_ctx(report=lambda progress: seen.append(progress.message))
    ActivationBits(bits=8).apply(net, ctx)
    assert seen
    seen.clear()
    again = ActivationBits(bits=4, method="entropy").apply(net, ctx)
    assert not seen
    assert fingerprint(again) == fingerprint(ActivationBits(bits=4, method="entropy").apply(net, make_ctx()))


def test_other_weights_are_looked_at_anew(net: nn.Module, ctx: Context) -> None:
    before = activation_formats(ActivationBits().apply(net, ctx))
    net.bn1.weight.data *= 3
    after = activation_formats(ActivationBits().apply(net, ctx))
    assert after["conv2"].scale > 2 * before["conv2"].scale


def test_training_goes_on_in_the_format(net: nn.Module, ctx: Context) -> None:
    coarse = ActivationBits(bits=2, first_last=False).apply(net, ctx)
    trained = Finetune(epochs=2).apply(coarse, ctx)
    assert activation_formats(trained) == activation_formats(coarse)

    def hits(model: nn.Module) -> int:
        return int((answers(model, ctx).argmax(1) == ctx.validation.labels).sum())

    assert fingerprint(trained) != fingerprint(coarse)
    assert hits(trained) >= hits(coarse)


def test_channels_can_still_leave(net: nn.Module, make_ctx: MakeCtx) -> None:
    step = Channels(ratio=0.5, score="magnitude", refit=False)
    free, rounded = (step.apply(model, make_ctx()) for model in (net, ActivationBits(bits=3).apply(net, make_ctx())))
    assert rounded.conv1.weight.shape == free.conv1.weight.shape != net.conv1.weight.shape
    assert bits_of(rounded) == {"conv1": 8, "conv2": 3, "fc": 8}
    assert torch.equal(rounded.conv2.weight, free.conv2.weight)


def test_a_student_of_the_zoo_starts_free(net: nn.Module, ctx: Context) -> None:
    result = compress(net, Recipe((ActivationBits(bits=4), Distill(student="toy", epochs=0.5))), ctx)
    assert activation_formats(result) == {}


@pytest.mark.parametrize("bits", [2, 5, 8, 16])
def test_a_file_gives_the_same_answers_bit_for_bit(
    bits: int, net: nn.Module, ctx: Context, fresh: Callable[..., nn.Module]
) -> None:
    steps = (Magnitude(ratio=0.6), ActivationBits(bits=bits, correct=True), BatchNorm())
    result = compress(net, Recipe(steps), ctx)
    packed = pack(result)
    loaded = unpack(packed.data, lambda _: fresh())
    assert activation_formats(loaded) == activation_formats(result)
    assert torch.equal(answers(loaded, ctx), answers(result, ctx))
    assert pack(loaded).data == packed.data
    assert set(describe(packed.data)["activations"]) == {"conv1", "conv2", "fc"}
    assert "activations" not in describe(pack(net).data)


def test_dead_inputs_are_no_trouble(net: nn.Module, ctx: Context) -> None:
    net.bn1.weight.data.zero_()
    net.bn1.bias.data.fill_(-1)  # all that conv2 reads is zero
    for method in METHODS:
        result = ActivationBits(bits=4, method=method).apply(net, ctx)
        assert activation_formats(result)["conv2"] == ActivationFormat(bits=4)
        assert torch.isfinite(answers(result, ctx)).all()


def test_constant_inputs_are_kept(net: nn.Module, ctx: Context) -> None:
    net.bn1.weight.data.zero_()
    net.bn1.bias.data.fill_(3)
    exact = answers(net, ctx)
    for method in ("mse", "output", "percentile", "minmax"):
        result = ActivationBits(bits=4, method=method, layers={"conv1": 32, "fc": 32}).apply(net, ctx)
        torch.testing.assert_close(answers(result, ctx), exact, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_infinite_activations_are_refused_by_name(bad: float, net: nn.Module, ctx: Context) -> None:
    net.bn1.bias.data[2] = bad
    with pytest.raises(Refused, match=r"conv2 reads values that are NaN or infinite"):
        ActivationBits().apply(net, ctx)


def test_no_image_is_refused(net: nn.Module, make_ctx: MakeCtx) -> None:
    none = View(
        TensorImages(torch.empty(0, 1, 8, 8, dtype=torch.uint8), torch.empty(0)), Preprocess((1, 8, 8), (0,), (1,))
    )
    with pytest.raises(Refused, match="at least 1 calibration image"):
        ActivationBits().apply(net, make_ctx(calibration=none))


class Unreached(nn.Module):
    """Holds a layer that does not run, and two that share a weight."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second, self.idle = nn.Linear(64, 64), nn.Linear(64, 64), nn.Linear(64, 3)
        self.second.weight = self.first.weight
        self.last = nn.Linear(64, 3)

    def forward(self, x: Tensor) -> Tensor:
        x = self.first(x.flatten(1)).relu()
        return self.last(self.second(self.second(x)).relu())


def test_a_layer_that_is_not_reached_stays_free_and_is_named(ctx: Context) -> None:
    model = Unreached().eval()
    result = ActivationBits(bits=4, correct=True).apply(model, ctx)
    assert bits_of(result) == {"first": 8, "second": 4, "last": 8}
    assert any("idle" in note and "do not reach" in note for note in ctx.notes)


def test_it_can_be_cancelled(net: nn.Module, make_ctx: MakeCtx) -> None:
    def stop(_: object) -> None:
        raise Cancelled

    ctx = make_ctx(report=stop)
    with pytest.raises(Cancelled):
        ActivationBits().apply(net, ctx)
