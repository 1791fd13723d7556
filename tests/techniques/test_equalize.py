"""Equalisation: the answers stay, the ranges come together, and coarse grids hurt less."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from workbench.compress import compress
from workbench.context import Context, fingerprint
from workbench.export.packed import pack, unpack
from workbench.network import layers, weight_format
from workbench.recipe import Recipe
from workbench.techniques import equalize
from workbench.techniques._scaling_search import scalings
from workbench.techniques._scalings import Link, Row
from workbench.techniques.activation_bits import ActivationBits
from workbench.techniques.batchnorm import reestimated
from workbench.techniques.equalize import Equalize
from workbench.techniques.magnitude import Magnitude
from workbench.techniques.weight_bits import WeightBits

MakeCtx = Callable[..., Context]


def depthwise() -> nn.Sequential:
    """Return a network of MobileNet's kind: a pointwise convolution after a depthwise one, with norms between."""
    return nn.Sequential(
        nn.Conv2d(1, 8, 3, padding=1, bias=False),
        nn.BatchNorm2d(8),
        nn.ReLU(),
        nn.Conv2d(8, 8, 3, padding=1, groups=8, bias=False),
        nn.BatchNorm2d(8),
        nn.ReLU(),
        nn.Conv2d(8, 12, 1, bias=False),
        nn.BatchNorm2d(12),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Linear(192, 3),
    )


@pytest.fixture
def mobile(ctx: Context) -> nn.Sequential:
    """The depthwise network, trained on the toy."""
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(3)
        model = depthwise().train()
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
    for _ in range(4):
        for _, inputs, labels in ctx.train.batches(24):
            optimizer.zero_grad(set_to_none=True)
            F.cross_entropy(model(inputs), labels).backward()
            optimizer.step()
    return model.eval()


@torch.no_grad()
def spoil_(model: nn.Sequential) -> None:
    """Give channels ranges that differ up to a hundred thousandfold, without changing what the network computes."""
    generator = torch.Generator().manual_seed(5)

    def factors(count: int) -> Tensor:
        return 10 ** (5 * torch.rand(count, generator=generator) - 2.5)

    for at, reader in ((0, 3), (3, 6), (6, None)):
        conv, norm = model[at], model[at + 1]
        rows, columns = factors(len(conv.weight)), factors(len(conv.weight))
        conv.weight.mul_(rows.view(-1, 1, 1, 1))
        norm.running_mean.mul_(rows)
        norm.running_var.copy_(rows.square() * (norm.running_var + norm.eps) - norm.eps)
        if reader is not None:
            norm.weight.div_(columns)
            norm.bias.div_(columns)
            by_row = model[reader].groups > 1
            model[reader].weight.mul_(columns.view(-1, 1, 1, 1) if by_row else columns.view(1, -1, 1, 1))


def answers(model: nn.Module, ctx: Context) -> Tensor:
    with torch.no_grad():
        return torch.cat([model(inputs) for _, inputs, _ in ctx.validation.batches(30)])


def hits(model: nn.Module, ctx: Context) -> float:
    return float((answers(model, ctx).argmax(1) == ctx.validation.labels).float().mean())


def same(model: nn.Module, other: nn.Module, ctx: Context) -> None:
    wanted = answers(model, ctx)
    torch.testing.assert_close(answers(other, ctx), wanted, rtol=0, atol=1e-4 * float(wanted.abs().max()))


def test_two_linear_layers_by_hand(make_ctx: MakeCtx) -> None:
    model = nn.Sequential(nn.Flatten(), nn.Linear(64, 2), nn.ReLU(), nn.Linear(2, 3)).eval()
    first, second = torch.zeros(2, 64), torch.zeros(3, 2)
    first[0, 0], first[1, 5], second[0, 0], second[2, 1] = 1, -100, 25, 4
    model[1].weight.data, model[3].weight.data = first, second
    model[1].bias.data = torch.tensor([1.0, 100.0])
    ctx = make_ctx(original=model)
    result = Equalize().apply(model, ctx)
    # sqrt(r1 / r2) is 1/5 and 5, whose geometric mean is 1
    assert result[1].weight[0, 0].item() == pytest.approx(5)
    assert result[1].weight[1, 5].item() == pytest.approx(-20)
    assert result[1].bias.tolist() == pytest.approx([5, 20])
    assert result[3].weight[0, 0].item() == pytest.approx(5)
    assert result[3].weight[2, 1].item() == pytest.approx(20)
    same(model, result, ctx)


def test_the_rows_in_front_of_a_norm_get_one_range(net: nn.Module, ctx: Context) -> None:
    net.conv1.weight.data *= torch.logspace(-2, 2, 6).view(-1, 1, 1, 1)
    result = Equalize(links=False).apply(net, ctx)
    ranges = result.conv1.weight.flatten(1).abs().amax(1)
    assert ranges.max() < 1.001 * ranges.min()
    assert torch.equal(result.fc.weight, net.fc.weight)
    same(net, result, ctx)


def test_links_make_ranges_meet(mobile: nn.Sequential, make_ctx: MakeCtx) -> None:
    ctx = make_ctx(original=mobile)
    spoil_(mobile)
    result = Equalize(rows=False).apply(mobile, ctx)
    for at, reader in ((0, 3), (3, 6)):
        norm = result[at + 1]
        spread = (norm.running_var + norm.eps).sqrt()
        written = result[at].weight.flatten(1).abs().amax(1) * norm.weight.abs() / spread
        read = result[reader].weight.abs().amax((2, 3))
        read = read.flatten() if result[reader].groups > 1 else read.amax(0)
        ratio = written / read
        assert ratio.max() < 1.01 * ratio.min()
    same(mobile, result, ctx)


def test_a_network_of_bad_ranges_survives_coarse_grids(mobile: nn.Sequential, make_ctx: MakeCtx) -> None:
    ctx = make_ctx(original=mobile)
    before = hits(mobile, ctx)
    spoil_(mobile)
    assert hits(mobile, ctx) == before > 0.95
    for bits in (4, 8):
        rounding = WeightBits(bits=bits, per_channel=False, method="nearest", correct=False)
        plain, balanced, leveled = (
            hits(compress(mobile, Recipe((*steps, rounding)), ctx), ctx)
            for steps in ((), (Equalize(rows=False),), (Equalize(),))
        )
        assert plain < before - 0.2
        assert balanced > plain + 0.1
        assert leveled > before - 0.05


def test_pairs_are_followed_through_pooling_flattening_and_depthwise(mobile: nn.Sequential, make_ctx: MakeCtx) -> None:
    found = scalings(mobile, make_ctx(original=mobile))
    links = {(place.writer, place.norm, place.reader) for place in found if isinstance(place, Link)}
    assert links == {("0", "1", "3"), ("3", "4", "6"), ("6", "7", "11")}
    assert {place.writer for place in found if isinstance(place, Row)} == {"0", "3", "6"}
    (last,) = (place for place in found if isinstance(place, Link) and place.reader == "11")
    assert last.columns.tolist() == [channel for channel in range(12) for _ in range(16)]


class Residual(nn.Module):
    """Its first convolution is read twice, its second by a sum."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1, self.conv2 = nn.Conv2d(1, 4, 3, padding=1), nn.Conv2d(4, 4, 3, padding=1)
        self.conv3, self.fc = nn.Conv2d(4, 4, 3, padding=1), nn.Linear(4, 3)

    def forward(self, x: Tensor) -> Tensor:
        x = self.conv1(x).relu()
        return self.fc((x + self.conv3(self.conv2(x).relu())).mean((2, 3)))


def test_what_is_read_twice_is_left(make_ctx: MakeCtx) -> None:
    model = Residual().eval()
    ctx = make_ctx(original=model)
    assert [(place.writer, place.reader) for place in scalings(model, ctx)] == [("conv2", "conv3")]
    same(model, Equalize().apply(model, ctx), ctx)


@pytest.mark.parametrize("between", [nn.ReLU6, nn.Sigmoid, nn.SiLU, nn.Softplus])
def test_no_link_through_what_is_not_homogeneous(between: type[nn.Module], make_ctx: MakeCtx) -> None:
    layers_ = (nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), between(), nn.Conv2d(4, 4, 3), nn.Flatten(), nn.Linear(64, 3))
    model = nn.Sequential(*layers_).eval()
    found = scalings(model, make_ctx(original=model))
    assert [type(place).__name__ + place.writer for place in found] == ["Row0", "Link3"]


@pytest.mark.parametrize("between", [nn.ReLU, nn.LeakyReLU, nn.PReLU, nn.Identity, nn.Dropout])
def test_links_through_what_is_homogeneous(between: type[nn.Module], make_ctx: MakeCtx) -> None:
    model = nn.Sequential(nn.Conv2d(1, 4, 3), between(), nn.Conv2d(4, 3, 6), nn.Flatten()).eval()
    assert [place.writer for place in scalings(model, make_ctx(original=model))] == ["0"]


def test_pruned_weights_stay_zero(net: nn.Module, ctx: Context) -> None:
    pruned = Magnitude(ratio=0.7, method="mask", score="lamp").apply(net, ctx)
    result = Equalize().apply(pruned, ctx)
    for name, layer in layers(result).items():
        mask = weight_format(layer).mask
        assert torch.equal(mask, weight_format(layers(pruned)[name]).mask)
        assert not layer.weight[~mask].any()
    same(pruned, result, ctx)


def test_quantized_layers_are_left_and_named(net: nn.Module, ctx: Context) -> None:
    rounded = WeightBits(bits=32, layers={"conv2": 4}, method="nearest").apply(net, ctx)
    result = Equalize().apply(rounded, ctx)
    assert torch.equal(result.conv2.weight, rounded.conv2.weight)
    assert torch.equal(result.fc.weight, rounded.fc.weight)
    assert not torch.equal(result.conv1.weight, rounded.conv1.weight)  # its rows
    assert any("conv2" in note and "quantized already" in note for note in ctx.notes)
    same(rounded, result, ctx)


def test_rounded_activations_are_left_and_named(net: nn.Module, ctx: Context) -> None:
    rounded = ActivationBits(bits=4).apply(net, ctx)
    result = Equalize().apply(rounded, ctx)
    assert any("conv1" in note and "rounded already" in note for note in ctx.notes)
    assert torch.equal(result.fc.weight, rounded.fc.weight)


def test_dead_channels_are_left(net: nn.Module, ctx: Context) -> None:
    net.conv1.weight.data[2] = 0
    net.conv2.weight.data[:, 3] = 0
    net.bn1.weight.data[4] = 0
    net.bn1.running_var[5] = 0
    result = Equalize().apply(net, ctx)
    assert torch.isfinite(torch.cat([p.flatten() for p in result.state_dict().values()])).all()
    same(net, result, ctx)


def test_statistics_taken_anew_still_fit(net: nn.Module, ctx: Context) -> None:
    chosen = torch.arange(64)
    same(reestimated(net, chosen, ctx), reestimated(Equalize().apply(net, ctx), chosen, ctx), ctx)


def test_nothing_to_scale_is_said(make_ctx: MakeCtx) -> None:
    model = nn.Sequential(nn.Flatten(), nn.Linear(64, 3)).eval()
    ctx = make_ctx(original=model)
    assert fingerprint(Equalize().apply(model, ctx)) == fingerprint(model)
    assert any("nothing to scale" in note for note in ctx.notes)


def test_answers_that_move_undo_it(net: nn.Module, ctx: Context, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(equalize, "_TOLERANCE", -1)
    assert fingerprint(Equalize().apply(net, ctx)) == fingerprint(net)
    assert any("the answers moved" in note and "conv1" in note for note in ctx.notes)


def test_switched_off_it_does_nothing(net: nn.Module, ctx: Context) -> None:
    assert fingerprint(Equalize(links=False, rows=False).apply(net, ctx)) == fingerprint(net)


def test_twice_changes_nothing_more(net: nn.Module, ctx: Context) -> None:
    once = Equalize().apply(net, ctx)
    twice = Equalize().apply(once, ctx)
    for name, tensor in once.state_dict().items():
        torch.testing.assert_close(twice.state_dict()[name], tensor, rtol=0.01, atol=1e-5)


def test_a_file_gives_the_same_answers(net: nn.Module, ctx: Context, fresh: Callable[..., nn.Module]) -> None:
    result = Equalize().apply(net, ctx)
    assert torch.equal(answers(unpack(pack(result).data, lambda _: fresh()), ctx), answers(result, ctx))
