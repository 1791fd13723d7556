"""Low rank: closed forms against numpy, budgets against enumeration, and what stays whole."""

from __future__ import annotations

import dataclasses
import itertools
import random
from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from workbench.activations import ActivationFormat, activation_format, round_inputs_
from workbench.compress import compress
from workbench.context import Context, Patience, Progress, fingerprint
from workbench.errors import Cancelled, Refused
from workbench.export.packed import pack, unpack
from workbench.factors import Pair, pair
from workbench.graph import graph_of
from workbench.images import Preprocess, TensorImages, View
from workbench.network import FREE, layers, weight_format
from workbench.recipe import Recipe, Step
from workbench.techniques._factors import errors, factors
from workbench.techniques._rank_choice import Option, best_within, cheapest_with, shared_out
from workbench.techniques._spatial_factors import SpatialProblem
from workbench.techniques.batchnorm import BatchNorm
from workbench.techniques.channels import Channels
from workbench.techniques.finetune import Finetune
from workbench.techniques.low_rank import LowRank
from workbench.techniques.magnitude import Magnitude
from workbench.techniques.weight_bits import WeightBits

MakeCtx = Callable[..., Context]


def noise(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def moments(size: int, seed: int = 0) -> Tensor:
    """Return second moments of inputs that are correlated and of unequal size."""
    x = noise(4 * size, size, seed=seed) @ noise(size, size, seed=seed + 1)
    return (x.T @ x / len(x)).double()


def loss(weight: Tensor, best: Tensor, hessian: Tensor) -> float:
    away = (weight.reshape(best.shape) - best).double()
    return float(((away @ hessian) * away).sum())


def split_layers(model: nn.Module) -> list[str]:
    return [name for name, module in model.named_modules() if isinstance(module, Pair)]


def size(model: nn.Module) -> int:
    return sum(parameter.numel() for parameter in model.parameters())


# The maths


def test_singular_values_that_are_known() -> None:
    left, right = (torch.linalg.qr(noise(*shape)).Q for shape in ((5, 3), (4, 3)))
    weight = left @ torch.diag(torch.tensor([5.0, 3.0, 1.0])) @ right.T
    layer, plain = nn.Linear(4, 5), torch.eye(4)
    lost = errors(plain, weight, layer, "channel")
    np.testing.assert_allclose(lost.numpy(), [35, 10, 1, 0, 0], atol=1e-5)  # 25 + 9 + 1, 9 + 1, 1
    found = factors(plain, weight, layer, "channel", 2)
    u, s, vh = np.linalg.svd(weight.numpy())
    np.testing.assert_allclose(found.product.detach().numpy(), (u[:, :2] * s[:2]) @ vh[:2], atol=1e-5)


@pytest.mark.parametrize("rank", [1, 2, 3])
def test_the_weighted_optimum_is_reduced_rank_regression(rank: int) -> None:
    x, best = noise(50, 6) @ noise(6, 6, seed=1), noise(4, 6, seed=2)
    y = x @ best.T
    fitted = np.linalg.lstsq(x.numpy(), y.numpy(), rcond=None)[0].T  # what textbooks do: ordinary least squares,
    _, _, vh = np.linalg.svd(y.numpy())  # then its projection onto the leading directions of what it predicts
    wanted = vh[:rank].T @ vh[:rank] @ fitted
    layer = nn.Linear(6, 4)
    found = factors(x.T @ x, best, layer, "channel", rank)
    np.testing.assert_allclose(found.product.detach().numpy(), wanted, atol=1e-4)
    lost = errors(x.T @ x, best, layer, "channel")[rank]
    assert float(lost) == pytest.approx(float(((x @ found.product.T - y) ** 2).sum()), rel=1e-3)
    truncated = factors(torch.eye(6), best, layer, "channel", rank).product
    assert float(lost) < 0.99 * float(((x @ truncated.T - y) ** 2).sum())


@pytest.mark.parametrize("rank", [1, 2, 4])
def test_a_kernel_that_is_separable_is_found_again(rank: int) -> None:
    layer = nn.Conv2d(3, 5, (3, 2))
    made = torch.einsum("rih,orw->oihw", noise(rank, 3, 3), noise(5, rank, 2, seed=1))
    best, hessian = made.flatten(1), moments(18)
    found = factors(hessian, best, layer, "spatial", rank)
    torch.testing.assert_close(found.product, made, rtol=1e-4, atol=1e-4)
    assert float(errors(hessian, best, layer, "spatial")[rank - 1]) > 1e-3


def test_spatial_errors_of_all_ranks_are_those_of_each_one_solved_alone() -> None:
    layer, best, hessian = nn.Conv2d(3, 4, 3), noise(4, 27), moments(27)
    lost = errors(hessian, best, layer, "spatial")
    assert len(lost) == 10  # full rank 9: 3 channels x 3 rows
    assert (lost.diff() <= 1e-9).all()
    root = torch.linalg.cholesky(hessian)
    problem = SpatialProblem(hessian, best.double(), 3)
    for rank in range(1, 10):
        start = problem._start(rank)
        read = torch.einsum("rx,uv->ruxv", start, torch.eye(3).double()).reshape(rank * 3, 27)
        _, rest, _, _ = np.linalg.lstsq((read @ root).T.numpy(), (best.double() @ root).T.numpy(), rcond=None)
        assert float(lost[rank]) == pytest.approx(rest.sum(), rel=1e-6, abs=1e-8)


def test_alternation_comes_close_to_what_long_descent_finds() -> None:
    layer, best, hessian = nn.Conv2d(3, 4, 3), noise(4, 27), moments(27)
    got = loss(factors(hessian, best, layer, "spatial", 3).product, best, hessian)
    reached = []
    for seed in range(3):
        parts = [noise(3, 9, seed=seed).double().requires_grad_(), noise(4, 3, 3, seed=seed + 9).double()]
        parts[1].requires_grad_()
        descent = torch.optim.LBFGS(parts, max_iter=500, line_search_fn="strong_wolfe")

        def closure(parts: list[Tensor] = parts, descent: torch.optim.LBFGS = descent) -> Tensor:
            descent.zero_grad()
            away = torch.einsum("rx,orw->oxw", *parts).reshape(4, 27) - best
            value = ((away @ hessian) * away).sum()
            value.backward()
            return value

        descent.step(closure)
        reached.append(float(closure().detach()))
    assert got <= float(errors(hessian, best, layer, "spatial")[3]) + 1e-6  # never worse than its start
    assert got <= 1.05 * min(reached)


@pytest.mark.parametrize("form", ["channel", "spatial"])
def test_full_rank_loses_nothing_and_other_ranks_are_refused(form: str) -> None:
    layer, best, hessian = nn.Conv2d(2, 3, 3), noise(3, 18), moments(18)
    full = len(errors(hessian, best, layer, form)) - 1
    assert full == {"channel": 3, "spatial": 6}[form]
    torch.testing.assert_close(factors(hessian, best, layer, form, full).product.flatten(1), best)
    for rank in (0, -1, full + 1):
        with pytest.raises(
            Refused, match=rf"whole number in \[1, {full}\] for .*got {rank}|in \[1, {full}\], got {rank}"
        ):
            factors(hessian, best, layer, form, rank)


@pytest.mark.parametrize("form", ["channel", "spatial"])
def test_dead_weights_and_dead_inputs_give_finite_factors(form: str) -> None:
    layer, dead = nn.Conv2d(2, 3, 3), torch.eye(18) * 1e-12
    for hessian, best in ((moments(18), torch.zeros(3, 18)), (dead, noise(3, 18)), (dead, torch.zeros(3, 18))):
        found = factors(hessian, best, layer, form, 2)
        assert torch.isfinite(found.product).all()
        assert torch.isfinite(errors(hessian, best, layer, form)).all()


@pytest.mark.parametrize("form", ["channel", "spatial"])
def test_components_share_their_norm(form: str) -> None:
    found = factors(moments(18), 100 * noise(3, 18), nn.Conv2d(2, 3, 3), form, 2)
    first, second = found.first.flatten(1).norm(dim=1), found.second.transpose(0, 1).flatten(1).norm(dim=1)
    torch.testing.assert_close(first, second)


# How many ranks


def test_a_budget_is_shared_out_nearly_as_well_as_by_trying_everything() -> None:
    gaps = []
    for seed in range(200):
        dice = random.Random(seed)
        options = {
            name: [Option(20, 0.0), *(Option(cost, dice.random()) for cost in dice.sample(range(1, 20), 6))]
            for name in "abc"
        }
        budget = dice.randint(12, 60)
        chosen = shared_out(options, budget)
        cost, error = (sum(getattr(option, key) for option in chosen.values()) for key in ("cost", "error"))
        every = [
            (sum(o.cost for o in some), sum(o.error for o in some)) for some in itertools.product(*options.values())
        ]
        within = [error for cost, error in every if cost <= budget]
        if not within:
            assert cost == min(cost for cost, _ in every)
            continue
        assert cost <= budget
        gaps.append(error - min(within))
    assert sum(gaps) / len(gaps) < 0.02  # of errors up to 3: a greedy choice,
    assert sum(gap < 1e-9 for gap in gaps) > 0.8 * len(gaps)  # and mostly the best one


def test_one_layer_alone() -> None:
    options = [Option(3, 0.5, "channel", 1), Option(4, 0.2, "spatial", 1), Option(6, 0.1, "channel", 2), Option(8, 0.0)]
    assert best_within(options, 5).error == 0.2
    assert best_within(options, 1).cost == 3
    assert cheapest_with(options, 0.1).cost == 6
    assert cheapest_with(options, 0.05) == Option(8, 0.0)


@pytest.mark.parametrize("keep", [0.8, 0.6, 0.4])
@pytest.mark.parametrize("method", ["activations", "plain"])
def test_a_budget_of_parameters_is_met(keep: float, method: str, net: nn.Module, ctx: Context) -> None:
    result = LowRank(keep=keep, method=method).apply(net, ctx)
    assert (keep - 0.1) * size(net) < size(result) <= keep * size(net)


@pytest.mark.parametrize("form", ["auto", "channel", "spatial"])
def test_a_budget_of_multiply_adds_is_met(form: str, net: nn.Module, ctx: Context) -> None:
    net.conv2 = nn.Conv2d(6, 8, 3, stride=(1, 2), padding=(1, 0))  # its first spatial factor runs at full width
    net.fc = nn.Linear(8 * 4, 3)
    net.pool = nn.AvgPool2d((2, 1), ceil_mode=True)
    net.fc = nn.Linear(net.flatten(net.pool(net.conv2(torch.zeros(1, 6, 8, 8)))).shape[1], 3)
    context = dataclasses.replace(ctx, original=net, reference=net, reference_key="")
    result = LowRank(keep=0.6, by="macs", form=form).apply(net, context)
    before, after = (graph_of(model, ctx.example[:1]).macs.total() for model in (net, result))
    assert 0.45 * before < after <= 0.6 * before


def test_what_cannot_be_saved_is_said(net: nn.Module, ctx: Context) -> None:
    result = LowRank(keep=0.05).apply(net, ctx)
    assert f"keeps {size(result) / size(net):.1%} of the parameters instead of 5%" in " ".join(ctx.notes)
    assert all(net_part.out_channels == 1 for net_part in (result.conv1[0], result.conv2[0]))


def test_energy_keeps_the_fewest_ranks_that_lose_no_more(net: nn.Module, ctx: Context) -> None:
    result = LowRank(by="energy", keep=0.9, form="channel", method="plain").apply(net, ctx)
    weight = net.conv2.weight.detach().flatten(1)
    energy = torch.linalg.svdvals(weight).square()
    wanted = 1 + int((energy.cumsum(0) / energy.sum() < 0.9).sum())
    assert result.conv2[0].out_channels == wanted


def test_the_same_share_of_each_rank(net: nn.Module, ctx: Context) -> None:
    result = LowRank(by="rank", keep=0.5, form="channel").apply(net, ctx)
    assert result.conv1[0].out_channels == 3  # of 6, 3 x 15 < 54
    assert result.conv2[0].out_channels == 4  # of 8
    assert result.fc[0].out_features == 2  # of 3
    result = LowRank(by="rank", keep=0.5, form="spatial").apply(net, ctx)
    assert result.conv2[0].out_channels == 9  # of 18, 9 x 42 < 432
    assert result.conv2[0].kernel_size == (3, 1)
    assert result.fc[0].out_features == 2


@torch.no_grad()
def test_auto_is_at_each_layer_as_good_as_either_form(net: nn.Module, ctx: Context) -> None:
    spent, lost = {}, {}
    for form in ("auto", "channel", "spatial"):
        result = LowRank(by="rank", keep=0.4, form=form, layers={"conv1": 1, "fc": 1}, method="plain").apply(net, ctx)
        spent[form] = size(result)
        first, second = (part.weight.detach() for part in result.conv2)
        lost[form] = float((torch.einsum("ri...,or...->oi...", first, second) - net.conv2.weight).square().sum())
    assert spent["auto"] <= spent["channel"]
    assert lost["auto"] <= lost["channel"]


def test_layers_may_have_a_share_of_their_own(net: nn.Module, ctx: Context) -> None:
    result = LowRank(keep=0.5, layers={"fc": 1}).apply(net, ctx)
    assert isinstance(result.fc, nn.Linear)
    others = size(net) - net.fc.weight.numel()
    assert size(result) - net.fc.weight.numel() <= 0.5 * others
    only = LowRank(keep=1, layers={"conv2": 0.3}).apply(net, ctx)
    assert split_layers(only) == ["conv2"]
    assert sum(part.weight.numel() for part in only.conv2) <= 0.3 * net.conv2.weight.numel()
    assert fingerprint(LowRank(keep=1).apply(net, ctx)) == fingerprint(net)


# What stays whole


class Odd(nn.Module):
    """A network with one of each kind of layer that must stay whole."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(1, 8, 3, padding=1)
        self.depthwise = nn.Conv2d(8, 8, 3, padding=1, groups=8)
        self.twice = nn.Linear(8, 8)
        self.one = nn.Linear(8, 8)
        self.other = self.one
        self.asked = nn.Linear(8, 8)
        self.idle = nn.Linear(8, 8)
        self.out = nn.Linear(8, 3)

    def forward(self, x: Tensor) -> Tensor:
        x = F.relu(self.depthwise(F.relu(self.conv(x)))).mean((2, 3))
        x = self.twice(F.relu(self.twice(x)))
        x = F.relu(self.one(x.to(self.asked.weight.dtype)))
        scores: Tensor = self.out(F.relu(self.asked(x)))
        return scores


@pytest.fixture
def odd(make_ctx: MakeCtx) -> tuple[nn.Module, Context]:
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(3)
        model = Odd().eval()
    return model, make_ctx(original=model)


@pytest.mark.parametrize("method", ["activations", "plain"])
def test_what_must_stay_whole_is_named(method: str, odd: tuple[nn.Module, Context]) -> None:
    model, ctx = odd
    result = LowRank(by="rank", keep=0.3, method=method).apply(model, ctx)
    assert split_layers(result) == ["conv", "out"]
    note = " ".join(ctx.notes)
    assert "depthwise (grouped)" in note
    assert "twice, one (shared)" in note
    assert "asked (its network needs it)" in note
    assert "idle (not called)" in note
    assert result.one is result.other
    assert torch.isfinite(result(ctx.example)).all()


def test_a_layer_where_it_does_not_pay_stays_whole(net: nn.Module, ctx: Context) -> None:
    result = LowRank(by="rank", keep=0.95).apply(net, ctx)
    assert not split_layers(result)
    assert "conv1, conv2, fc (would not become smaller)" in " ".join(ctx.notes)
    assert fingerprint(result) == fingerprint(net)


def test_a_network_that_is_one_layer_stays_whole(ctx: Context) -> None:
    class Flat(nn.Linear):
        def forward(self, x: Tensor) -> Tensor:
            return super().forward(x.flatten(1))

    for model in (Flat(64, 3), nn.Sequential(nn.Flatten(), Flat(64, 3))):
        own = dataclasses.replace(ctx, original=model, reference=model, reference_key="", notes=[])
        assert not split_layers(LowRank(by="rank", keep=0.3).apply(model, own))
        assert "not an ordinary layer" in " ".join(own.notes)


def test_factors_of_factors_are_not_made(net: nn.Module, ctx: Context) -> None:
    step = LowRank(by="rank", keep=0.4)
    once, twice = (compress(net, Recipe((step,) * times), ctx) for times in (1, 2))
    assert split_layers(twice) == split_layers(once) == ["conv1", "conv2", "fc"]
    assert "a factor already" in " ".join(ctx.notes)


# With everything else


def test_data_make_the_factors_better(net: nn.Module, ctx: Context) -> None:
    images = ctx.validation.inputs(torch.arange(90))
    with torch.no_grad():
        wanted = net(images)
        away = {
            method: float(
                (LowRank(by="rank", keep=0.35, form="channel", method=method).apply(net, ctx)(images) - wanted)
                .square()
                .mean()
            )
            for method in ("activations", "plain")
        }
    assert away["activations"] < 0.9 * away["plain"]


RECIPES: dict[str, tuple[Step, ...]] = {
    "alone": (LowRank(keep=0.6),),
    "channel": (LowRank(keep=0.6, form="channel"),),
    "then-pruned": (LowRank(keep=0.7), Magnitude(ratio=0.5)),
    "then-bits": (LowRank(keep=0.7), Magnitude(ratio=0.3), WeightBits(bits=4)),
    "then-channels": (LowRank(keep=0.7), Channels(ratio=0.3)),
    "after-channels": (Channels(ratio=0.3), LowRank(keep=0.8), BatchNorm()),
    "then-trained": (LowRank(keep=0.7), WeightBits(bits=4), Finetune(epochs=0.5)),
    "twice": (LowRank(keep=0.8), LowRank(keep=0.8)),
}


@pytest.mark.parametrize("steps", RECIPES.values(), ids=RECIPES)
def test_a_packed_file_gives_every_bit_back(
    steps: tuple[Step, ...], net: nn.Module, ctx: Context, fresh: Callable[..., nn.Module]
) -> None:
    result = compress(net, Recipe(steps), ctx)
    assert split_layers(result)
    loaded = unpack(pack(result).data, lambda _: fresh(seed=5))
    assert split_layers(loaded) == split_layers(result)
    assert all(torch.equal(value, loaded.state_dict()[name]) for name, value in result.state_dict().items())
    assert torch.equal(loaded(ctx.example), result(ctx.example))
    assert size(loaded) == size(result) < size(net)


def test_factors_can_be_pruned_as_channels(net: nn.Module, ctx: Context) -> None:
    split = LowRank(by="rank", keep=0.5, form="spatial", layers={"conv1": 1, "fc": 1}).apply(net, ctx)
    own = dataclasses.replace(ctx, original=split, reference=split, reference_key="")
    pruned = Channels(ratio=0.5).apply(split, own)
    assert pruned.conv2[0].out_channels < split.conv2[0].out_channels
    assert pruned.conv2[1].in_channels == pruned.conv2[0].out_channels


def test_formats_of_factored_layers_end_and_others_stay(net: nn.Module, ctx: Context) -> None:
    before = compress(net, Recipe((Magnitude(ratio=0.5), WeightBits(bits=4))), ctx)
    result = LowRank(keep=1, layers={"conv2": 0.5}).apply(before, ctx)
    assert all(weight_format(part) is FREE for part in result.conv2)
    assert weight_format(result.fc).grid.spec == weight_format(before.fc).grid.spec
    assert torch.equal(result.fc.weight, before.fc.weight)
    assert "factors of conv2 take any value" in " ".join(ctx.notes)


def test_what_a_layer_reads_is_rounded_as_before(net: nn.Module, ctx: Context) -> None:
    form = ActivationFormat(bits=8, scale=0.05, zero=3)
    round_inputs_(net.conv2, form)
    result = LowRank(keep=1, layers={"conv2": 0.5}).apply(net, ctx)
    assert activation_format(result.conv2[0]) == form
    assert activation_format(result.conv2[1]) is None


def test_later_steps_imitate_the_factored_network(net: nn.Module, ctx: Context) -> None:
    both = compress(net, Recipe((LowRank(keep=0.6), Magnitude(ratio=0.3))), ctx)
    assert not [note for note in ctx.notes if "do not reach" in note]
    assert all(weight_format(layer).mask is not None for layer in layers(both).values())


def test_without_patience_a_quick_answer_says_so(net: nn.Module, make_ctx: MakeCtx) -> None:
    ctx = make_ctx()
    hasty = dataclasses.replace(ctx, patience=Patience.NOW)
    step = LowRank(keep=0.6)
    quick = step.apply(net, hasty)
    assert fingerprint(quick) == fingerprint(dataclasses.replace(step, method="plain").apply(net, ctx))
    assert hasty.provisional == ["low rank by the simple method"]
    hasty.provisional.clear()
    full = step.apply(net, ctx)
    again = step.apply(net, hasty)
    assert fingerprint(again) == fingerprint(full) != fingerprint(quick)
    assert again is not full
    assert hasty.provisional == []
    dataclasses.replace(step, keep=0.5).apply(net, ctx)
    near = dataclasses.replace(step, keep=0.55).apply(net, hasty)
    assert size(near) <= 0.5 * size(net)
    assert hasty.provisional == ["low rank (keep 50 %) is shown, the nearest that is prepared"]


def test_a_pair_is_no_new_module_for_the_eye(net: nn.Module, ctx: Context) -> None:
    result = LowRank(by="rank", keep=0.4).apply(net, ctx)
    assert list(layers(result)) == ["conv1.0", "conv1.1", "conv2.0", "conv2.1", "fc.0", "fc.1"]
    assert str(pair(net.fc, "channel", 1)[0]) == "Linear(in_features=128, out_features=1, bias=False)"


def test_too_few_images_and_broken_networks_are_refused(net: nn.Module, make_ctx: MakeCtx) -> None:
    view = make_ctx().calibration
    one = View(TensorImages(view.pixels(torch.arange(1)), view.labels[:1]), Preprocess((1, 8, 8), (0.3,), (0.25,)))
    with pytest.raises(Refused, match="at least 2 calibration images, got 1"):
        LowRank(keep=0.6).apply(net, make_ctx(calibration=one))
    net.conv1.weight.data[0] = float("inf")
    with pytest.raises(Refused, match="NaN or infinite"):
        LowRank(keep=0.6).apply(net, make_ctx(original=net))


def test_dead_channels_are_no_obstacle(net: nn.Module, make_ctx: MakeCtx) -> None:
    with torch.no_grad():
        net.conv1.weight[:3] = 0
        net.bn1.bias[:3] = -1
        net.conv2.weight[2] = 0
    ctx = make_ctx(original=net)
    assert torch.isfinite(LowRank(keep=0.6).apply(net, ctx)(ctx.example)).all()


def test_it_can_be_stopped(net: nn.Module, make_ctx: MakeCtx) -> None:
    def stop(_: Progress) -> None:
        raise Cancelled

    stopped = make_ctx(report=stop)
    with pytest.raises(Cancelled):
        LowRank(keep=0.6).apply(net, stopped)
    after = dataclasses.replace(stopped, report=lambda _: None)  # the same caches: nothing half-made is in them
    assert fingerprint(LowRank(keep=0.6).apply(net, after)) == fingerprint(LowRank(keep=0.6).apply(net, make_ctx()))
