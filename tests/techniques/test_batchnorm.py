"""Batch-norm re-estimation: the statistics by hand, and kept only where they help."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from workbench.context import Context, fingerprint
from workbench.network import clone
from workbench.techniques.batchnorm import BatchNorm, reestimated

MakeCtx = Callable[..., Context]


def statistics(parts: list[Tensor]) -> tuple[Tensor, Tensor]:
    """Return mean and variance [C] of activations [B, C, H, W]: the mean over batches of what each batch has."""
    flat = [part.double().transpose(0, 1).flatten(1) for part in parts]
    means = torch.stack([x.mean(1) for x in flat]).mean(0)
    variances = torch.stack([x.var(1, correction=1) for x in flat]).mean(0)
    return means.float(), variances.float()


@pytest.mark.parametrize("count", [96, 128, 200, 257])
def test_statistics_are_those_of_the_activations(count: int, net: nn.Module, make_ctx: MakeCtx) -> None:
    ctx = make_ctx(calibration=make_ctx().train)
    count = min(count, len(ctx.calibration))
    result = reestimated(net, torch.arange(count), ctx)
    with torch.no_grad():
        parts = [net.conv1(ctx.calibration.inputs(part)) for part in torch.arange(count).split(128)]
    mean, variance = statistics(parts)
    torch.testing.assert_close(result.bn1.running_mean, mean)
    torch.testing.assert_close(result.bn1.running_var, variance)


def test_later_norms_see_batches_normalised_by_themselves(net: nn.Module, ctx: Context) -> None:
    result = reestimated(net, torch.arange(96), ctx)
    with torch.no_grad():
        x = net.conv1(ctx.calibration.inputs(torch.arange(96)))
        mean = x.mean((0, 2, 3), keepdim=True)
        x = (x - mean) / (x.var((0, 2, 3), keepdim=True, correction=0) + net.bn1.eps).sqrt()
        x = (x * net.bn1.weight.view(1, -1, 1, 1) + net.bn1.bias.view(1, -1, 1, 1)).relu()
        mean, variance = statistics([net.conv2(x)])
    torch.testing.assert_close(result.bn2.running_mean, mean, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(result.bn2.running_var, variance, rtol=1e-4, atol=1e-5)


def test_one_image_alone_in_the_last_batch_is_left_out(net: nn.Module, make_ctx: MakeCtx) -> None:
    ctx = make_ctx(calibration=make_ctx().train)
    whole, one_more = (reestimated(net, torch.arange(count), ctx) for count in (128, 129))
    assert fingerprint(whole) == fingerprint(one_more)


def test_nothing_but_the_statistics_changes(net: nn.Module, ctx: Context) -> None:
    net.bn1.momentum = 0.3
    result = BatchNorm(keep_better=False).apply(net, ctx)
    changed = {n for n, value in net.state_dict().items() if not torch.equal(value, result.state_dict()[n])}
    assert changed == {
        f"{norm}.{name}" for norm in ("bn1", "bn2") for name in ("running_mean", "running_var", "num_batches_tracked")
    }
    assert result.bn1.momentum == 0.3
    assert not result.bn1.training


def test_an_intact_network_keeps_its_statistics(net: nn.Module, ctx: Context) -> None:
    result = BatchNorm().apply(net, ctx)
    assert fingerprint(result) == fingerprint(net)
    assert "kept as it was" in ctx.notes[0]


def test_wrong_statistics_are_mended(net: nn.Module, ctx: Context) -> None:
    def accuracy(model: nn.Module) -> float:
        with torch.no_grad():
            scores = model(ctx.validation.inputs(torch.arange(len(ctx.validation))))
        return float((scores.argmax(1) == ctx.validation.labels).float().mean())

    broken = clone(net)
    broken.bn1.running_mean += 3
    broken.bn2.running_var *= 100
    mended = BatchNorm().apply(broken, ctx)
    assert accuracy(broken) < 0.6
    assert accuracy(mended) > accuracy(broken) + 0.3
    assert ctx.notes[0].startswith("batch norm re-estimated: agreement with the original on 48 images")


def test_what_is_kept_is_judged_on_other_images_than_it_was_estimated_on(net: nn.Module, make_ctx: MakeCtx) -> None:
    # every second image is blank: statistics from the others must be judged on the blank ones, where they do not help
    asked: list[list[int]] = []

    class Spy:
        def __init__(self, view: object) -> None:
            self.view = view

        def __len__(self) -> int:
            return len(self.view)  # type: ignore[arg-type]

        def inputs(self, indices: Tensor) -> Tensor:
            asked.append(indices.tolist())
            return self.view.inputs(indices)  # type: ignore[attr-defined]

    ctx = make_ctx(calibration=Spy(make_ctx().calibration))
    BatchNorm(images=64).apply(net, ctx)
    evens, odds = list(range(0, 64, 2)), list(range(1, 64, 2))
    assert asked == [odds, odds, evens, odds]


def test_a_network_without_batch_norm_gets_a_note(ctx: Context) -> None:
    model = nn.Sequential(nn.Flatten(), nn.Linear(64, 3))
    result = BatchNorm().apply(model, ctx)
    assert fingerprint(result) == fingerprint(model)
    assert ctx.notes == ["batch norm: this network has none, nothing to re-estimate"]


def test_batch_norms_without_statistics_are_none(ctx: Context) -> None:
    model = nn.Sequential(nn.Conv2d(1, 3, 8), nn.BatchNorm2d(3, track_running_stats=False), nn.Flatten())
    assert BatchNorm().apply(model, ctx) is not model
    assert "nothing to re-estimate" in ctx.notes[0]
