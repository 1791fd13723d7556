"""Which channels leave by second-order cost, and what is refitted: held to numpy, enumeration, and counted MACs."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.nn import functional as F

from workbench.compress import compress
from workbench.context import Context, Patience, fingerprint
from workbench.errors import Refused
from workbench.graph import graph_of
from workbench.images import Preprocess, TensorImages, View
from workbench.network import layers, weight_format
from workbench.recipe import Recipe
from workbench.reconstruction.problem import Moments, Problem
from workbench.techniques import channels
from workbench.techniques._channel_choice import cheapest_first, evenly, leave_by_work_
from workbench.techniques._channel_elimination import Elimination, restricted
from workbench.techniques._channel_groups import structure
from workbench.techniques._channel_ranking import Ranking
from workbench.techniques._channel_streams import inside_blocks
from workbench.techniques._channel_surgery import sliced
from workbench.techniques._channel_work import work
from workbench.techniques.channels import Channels
from workbench.techniques.magnitude import Magnitude
from workbench.techniques.weight_bits import WeightBits

MakeCtx = Callable[..., Context]


def problem(x: Tensor, y: Tensor, reference: Tensor, damping: float = 0.01) -> Problem:
    moments = Moments(centred=False)
    moments.add(x[None], y[None])
    return moments.problem(reference[None], damping)


def tiny(seed: int, rows: int = 40, outputs: int = 2, inputs: int = 6) -> tuple[Tensor, Tensor, Tensor]:
    """Return inputs that hang together, outputs, and a reference weight."""
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(rows, inputs, generator=generator) @ torch.randn(inputs, inputs, generator=generator)
    weight = torch.randn(outputs, inputs, generator=generator)
    return x, x @ weight.T + torch.randn(rows, outputs, generator=generator), weight


def by_numpy(
    x: Tensor, y: Tensor, reference: Tensor, keep: list[int], damping: float = 0.01
) -> tuple[np.ndarray, float]:
    """Return weights of least damped error on some columns, and that error; damping is more rows of data."""
    n, d = x.shape
    amount = damping * float(x.double().square().mean(0).mean())
    rows = np.vstack([x.double().numpy() / np.sqrt(n), np.sqrt(amount) * np.eye(d)])
    wanted = np.vstack([y.double().numpy() / np.sqrt(n), np.sqrt(amount) * reference.double().numpy().T])
    solved = np.linalg.lstsq(rows[:, keep], wanted, rcond=None)[0]
    return solved.T, float(np.square(rows[:, keep] @ solved - wanted).sum())


@given(st.integers(0, 10_000), st.sets(st.integers(0, 5), min_size=1))
@settings(max_examples=40, deadline=None)
def test_the_refit_is_least_squares_on_the_columns_that_stay(seed: int, stay: set[int]) -> None:
    x, y, reference = tiny(seed)
    keep = torch.zeros(6, dtype=torch.bool)
    keep[sorted(stay)] = True
    found = restricted(problem(x, y, reference), keep)[0]
    expected, _ = by_numpy(x, y, reference, sorted(stay))
    assert (found[:, ~keep] == 0).all()
    np.testing.assert_allclose(found[:, keep].numpy(), expected, rtol=2e-2, atol=2e-3)


@pytest.mark.parametrize("seed", range(3))
def test_costs_are_those_of_enumerated_subsets(seed: int) -> None:
    x, y, reference = tiny(seed)
    columns = torch.tensor([1, 2, 1, 3, 3, 2])  # three channels of two columns each, not beside one another
    for order in itertools.permutations([1, 2, 3], 2):
        layer = Elimination(problem(x, y, reference), columns, torch.tensor([1, 2, 3]))
        gone: set[int] = set()
        for label in order:
            costs = dict(zip(layer.labels.tolist(), layer.costs().tolist(), strict=True))
            before = by_numpy(x, y, reference, [i for i in range(6) if int(columns[i]) not in gone])[1]
            for other, cost in costs.items():
                rest = [i for i in range(6) if int(columns[i]) not in gone | {other}]
                assert cost == pytest.approx(by_numpy(x, y, reference, rest)[1] - before, rel=1e-3, abs=1e-4)
            layer.remove_(torch.tensor([label]))
            gone.add(label)


def test_the_first_to_leave_is_the_best_single_choice_and_fixed_columns_never_leave() -> None:
    x, y, reference = tiny(5)
    columns = torch.tensor([0, 1, 2, 3, 0, 4])
    layer = Elimination(problem(x, y, reference), columns, torch.tensor([1, 2, 3, 4]))
    errors = {
        label: by_numpy(x, y, reference, [i for i in range(6) if int(columns[i]) != label])[1] for label in (1, 2, 3, 4)
    }
    assert int(layer.labels[layer.costs().argmin()]) == min(errors, key=errors.__getitem__)


def test_channels_of_different_numbers_of_columns_are_told_apart() -> None:
    x, y, reference = tiny(6)
    columns = torch.tensor([1, 2, 2, 2, 3, 3])
    costs = Elimination(problem(x, y, reference), columns, torch.tensor([1, 2, 3])).costs()
    full = by_numpy(x, y, reference, list(range(6)))[1]
    for label, cost in zip((1, 2, 3), costs.tolist(), strict=True):
        rest = [i for i in range(6) if int(columns[i]) != label]
        assert cost == pytest.approx(by_numpy(x, y, reference, rest)[1] - full, rel=1e-3, abs=1e-4)


def test_work_by_hand(net: nn.Module, ctx: Context) -> None:
    found = structure(net, ctx)
    amount = work(net, found.labelling, ctx.example)
    assert amount.total == 64 * 9 * 6 + 64 * 9 * 6 * 8 + 128 * 3 == 31_488
    firsts = torch.stack([group.labels[0] for group in found.groups])
    saved = amount.saved(torch.ones(amount.count, dtype=torch.bool), firsts)
    assert saved.tolist() == [64 * 9 + 64 * 9 * 8, 64 * 9 * 6 + 16 * 3]


class Separable(nn.Module):
    """A depthwise convolution between two pointwise ones, with a gate, on a residual stream."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(1, 8, 3, padding=1)
        self.expand, self.depth = nn.Conv2d(8, 16, 1), nn.Conv2d(16, 16, 3, padding=1, groups=16)
        self.squeeze, self.excite = nn.Conv2d(16, 4, 1), nn.Conv2d(4, 16, 1)
        self.project, self.head = nn.Conv2d(16, 8, 1), nn.Linear(8, 3)

    def forward(self, x: Tensor) -> Tensor:
        x = self.stem(x).relu()
        y = self.depth(self.expand(x).relu()).relu()
        y = y * self.excite(self.squeeze(F.adaptive_avg_pool2d(y, 1)).relu()).sigmoid()
        return self.head((x + self.project(y)).mean((2, 3)))


def test_work_after_surgery_is_what_is_counted(ctx: Context) -> None:
    model = Separable().eval()
    found = structure(model, ctx)
    amount = work(model, found.labelling, ctx.example)
    keep = torch.ones(amount.count, dtype=torch.bool)
    for group in found.groups:
        first = group.labels[:1]
        before, saved = amount.of(keep), float(amount.saved(keep, first))
        keep[first] = False
        assert before - amount.of(keep) == pytest.approx(saved)
    smaller = sliced(model, found.labelling.ports, keep).eval()
    assert amount.of(keep) == pytest.approx(graph_of(smaller, ctx.example[:1]).macs.total())


def test_streams_are_told_from_channels_inside_blocks(ctx: Context) -> None:
    model = Separable().eval()
    found = structure(model, ctx)
    amount = work(model, found.labelling, ctx.example)
    assert {group.layers for group in found.groups} == {
        ("stem", "project"),
        ("expand", "depth", "excite"),
        ("squeeze",),
    }
    inner = inside_blocks(model, found, amount.positions)
    assert {group.layers for group in inner.groups} == {("expand", "depth", "excite"), ("squeeze",)}
    assert set(inner.whole) == {"stem", "project"}


def test_a_network_of_streams_alone_says_what_to_set(ctx: Context) -> None:
    class Sum(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.a, self.b, self.head = nn.Conv2d(1, 4, 3), nn.Conv2d(1, 4, 3), nn.Linear(4, 3)

        def forward(self, x: Tensor) -> Tensor:
            return self.head((self.a(x) + self.b(x)).relu().mean((2, 3)))

    with pytest.raises(Refused, match="set streams to all"):
        Channels().apply(Sum(), ctx)
    assert len(layers(Channels(streams="all", ratio=0.5).apply(Sum(), ctx))["a"].weight) == 2


@pytest.fixture(autouse=True)
def _no_gradients() -> Iterator[None]:
    with torch.no_grad():
        yield


RANKINGS = (
    Ranking(torch.tensor([1, 2, 3]), torch.tensor([1.0, 4.0, torch.inf]).double()),
    Ranking(torch.tensor([6, 5, 4]), torch.tensor([2.0, 3.0, torch.inf]).double()),
)


def test_orders_by_hand() -> None:
    assert list(cheapest_first(RANKINGS)) == [1, 6, 5, 2]  # the last of each is the tenth that stays
    assert list(evenly(RANKINGS)) == [1, 6, 2, 5]


def test_the_goal_in_macs_is_met_as_nearly_as_whole_channels_allow(net: nn.Module, ctx: Context) -> None:
    found = structure(net, ctx)
    amount = work(net, found.labelling, ctx.example)
    first = found.groups[0].labels  # each saves 5184 of 31488
    for goal, left in ((31_488, 6), (31_488 - 2500, 6), (31_488 - 2700, 5), (31_488 - 3 * 5184, 3)):
        keep = torch.ones(amount.count, dtype=torch.bool)
        leave_by_work_(keep, iter(first.tolist()), amount.of, goal)
        assert int(keep[first].sum()) == left


@pytest.mark.parametrize("ratio", [0.2, 0.5])
@pytest.mark.parametrize("scope", ["global", "layer"])
def test_a_share_of_the_macs_leaves(ratio: float, scope: str, net: nn.Module, ctx: Context) -> None:
    def macs(model: nn.Module) -> int:
        return graph_of(model, ctx.example[:1]).macs.total()

    result = Channels(ratio=ratio, by="macs", scope=scope).apply(net, ctx)
    assert 1 - macs(result) / macs(net) == pytest.approx(ratio, abs=0.5 * 5184 / 31_488)


def test_macs_are_met_with_widths_in_multiples(make_ctx: MakeCtx) -> None:
    wide = nn.Sequential(
        *(nn.Conv2d(1, 32, 3), nn.ReLU(), nn.Conv2d(32, 32, 3), nn.ReLU(), nn.Conv2d(32, 32, 3), nn.ReLU()),
        *(nn.Flatten(), nn.Linear(128, 3)),
    ).eval()
    ctx = make_ctx(original=wide)
    result = Channels(ratio=0.5, by="macs", multiple=8).apply(wide, ctx)
    assert all(len(layer.weight) % 8 == 0 for name, layer in layers(result).items() if name != "7")
    then, now = (graph_of(model, ctx.example[:1]).macs.total() for model in (wide, result))
    assert 1 - now / then == pytest.approx(0.5, abs=0.12)  # eight channels of the second layer save a quarter of most


def test_macs_that_cannot_go_are_told(net: nn.Module, ctx: Context) -> None:
    Channels(ratio=0.9, by="macs", multiple=4).apply(net, ctx)
    assert ctx.notes == [
        "channel pruning saves 62.8% of the MACs, not 90%: whole channels come no nearer"
    ]  # 4 and 4 channels


def doubled(net: nn.Module, one: int, other: int) -> nn.Module:
    """Make a channel of the first convolution, with its norm, the copy of another, in place."""
    with torch.no_grad():
        for name in ("conv1", "bn1"):
            for tensor in net.get_submodule(name).state_dict().values():
                if tensor.ndim:
                    tensor[other] = tensor[one]
    return net


def test_of_twins_one_leaves_and_the_other_takes_its_place(net: nn.Module, make_ctx: MakeCtx) -> None:
    net = doubled(net, 1, 4)
    ctx = make_ctx(original=net)
    result = Channels(ratio=0, layers={"conv1": 0.17}).apply(net, ctx)  # one of six
    assert len(layers(result)["conv1"].weight) == 5
    inputs = ctx.validation.inputs(torch.arange(90))
    torch.testing.assert_close(result(inputs), net(inputs), atol=0.3, rtol=0.02)
    plain = Channels(ratio=0, layers={"conv1": 0.17}, refit=False).apply(net, ctx)
    assert (plain(inputs) - net(inputs)).square().mean() > 20 * (result(inputs) - net(inputs)).square().mean()


@pytest.mark.parametrize("score", ["reconstruction", "magnitude", "random"])
def test_the_refit_brings_the_answers_nearer(score: str, net: nn.Module, ctx: Context) -> None:
    def away(refit: bool) -> float:
        result = Channels(ratio=0.4, score=score, refit=refit).apply(net, ctx)
        inputs = ctx.validation.inputs(torch.arange(90))
        return float((result(inputs) - net(inputs)).square().mean())

    assert away(True) < 0.5 * away(False)


def test_the_order_is_found_once_for_all_ratios(net: nn.Module, ctx: Context, monkeypatch: pytest.MonkeyPatch) -> None:
    calls = []
    real = channels.by_reconstruction
    monkeypatch.setattr(channels, "by_reconstruction", lambda *args: calls.append(1) or real(*args))
    for ratio in (0.2, 0.3, 0.5):
        Channels(ratio=ratio).apply(net, ctx)
    assert len(calls) == 1


def test_a_slider_gets_a_quick_answer_that_says_so(net: nn.Module, make_ctx: MakeCtx) -> None:
    slow = make_ctx()
    quick = make_ctx(patience=Patience.NOW, cache=slow.cache, traces=slow.traces)
    step = Channels(ratio=0.5)
    first = step.apply(net, quick)
    assert quick.provisional != []
    assert sum(len(layer.weight) for layer in layers(first).values()) == 10
    wanted = fingerprint(step.apply(net, slow))
    quick.provisional.clear()
    assert fingerprint(step.apply(net, quick)) == wanted
    assert quick.provisional == slow.provisional == []


def flat(value: int, number: int = 40) -> View:
    pixels = torch.full((number, 1, 8, 8), value, dtype=torch.uint8)
    return View(TensorImages(pixels, torch.zeros(number)), Preprocess((1, 8, 8), (0.3,), (0.25,)))


@pytest.mark.parametrize("value", [0, 76, 200])
def test_constant_images_do_no_harm(value: int, net: nn.Module, make_ctx: MakeCtx) -> None:
    ctx = make_ctx(calibration=flat(value))
    result = Channels(ratio=0.5).apply(net, ctx)
    assert all(torch.isfinite(tensor).all() for tensor in result.state_dict().values())
    assert sum(len(layer.weight) for layer in layers(result).values()) == 10


def test_dead_channels_leave_first(net: nn.Module, make_ctx: MakeCtx) -> None:
    with torch.no_grad():
        for row in (0, 3):
            net.get_submodule("bn1").weight[row] = 0
            net.get_submodule("bn1").bias[row] = -1
    ctx = make_ctx(original=net)
    result = Channels(ratio=0.14).apply(net, ctx)  # two of fourteen
    inputs = ctx.validation.inputs(torch.arange(90))
    assert len(layers(result)["conv1"].weight) == 4
    assert (result(inputs).argmax(1) == net(inputs).argmax(1)).float().mean() > 0.97


def test_few_images_are_told(net: nn.Module, make_ctx: MakeCtx) -> None:
    ctx = make_ctx(calibration=flat(90, 4))
    assert torch.isfinite(Channels(ratio=0.5).apply(net, ctx)(ctx.example)).all()
    assert ctx.notes == ["channel pruning was refitted on 4 images, too few to trust"]


def test_a_network_that_the_reference_does_not_know_is_ranked_by_magnitude(ctx: Context) -> None:
    model = Separable().eval()  # the context's original is another network altogether
    result = Channels(ratio=0.5).apply(model, ctx)
    told = "channels ranked by magnitude, because what reads them cannot be solved: expand, depth, excite, squeeze"
    assert told in ctx.notes
    kept_plain = Channels(ratio=0.5, score="magnitude").apply(model, ctx)
    assert [layer.weight.shape for layer in layers(result).values()] == [
        layer.weight.shape for layer in layers(kept_plain).values()
    ]


def test_depthwise_gated_blocks_are_refitted(make_ctx: MakeCtx) -> None:
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(0)
        model = Separable().eval()
    ctx = make_ctx(original=model)
    inputs = ctx.validation.inputs(torch.arange(90))

    def away(**settings: object) -> float:
        return float((Channels(ratio=0.4, **settings).apply(model, ctx)(inputs) - model(inputs)).square().mean())

    assert away() < 0.2 * away(refit=False)


def test_pruned_weights_stay_pruned_and_grids_stay_grids(net: nn.Module, ctx: Context) -> None:
    result = compress(net, Recipe((Magnitude(ratio=0.6), WeightBits(bits=4), Channels(ratio=0.4))), ctx)
    assert any("held to a grid" in note for note in ctx.notes)
    for layer in layers(result).values():
        form = weight_format(layer)
        assert torch.equal(form.snapped(layer.weight), layer.weight)
    masked = compress(net, Recipe((Magnitude(ratio=0.6), Channels(ratio=0.4))), ctx)
    for layer in layers(masked).values():
        assert (layer.weight[~weight_format(layer).mask] == 0).all()


def test_layers_that_share_a_weight_stay_whole(make_ctx: MakeCtx) -> None:
    model = nn.Sequential(
        *(nn.Conv2d(1, 6, 3, padding=1), nn.ReLU(), nn.Conv2d(6, 6, 3, padding=1), nn.ReLU()),
        *(nn.Conv2d(6, 6, 3, padding=1), nn.ReLU(), nn.Conv2d(6, 4, 3, padding=1), nn.ReLU()),
        *(nn.Flatten(), nn.Linear(256, 3)),
    ).eval()
    model[4].weight = model[2].weight
    result = Channels(ratio=0.4).apply(model, make_ctx(original=model))
    assert torch.equal(result[2].weight, result[4].weight)
    assert result[6].weight.shape[0] < 4
