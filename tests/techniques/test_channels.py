"""Channel pruning: which channels stay, worked by hand, and that the network really is narrower."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn

from workbench.compress import compress
from workbench.context import Context, fingerprint
from workbench.errors import Refused
from workbench.images import Preprocess, TensorImages, View
from workbench.models._load import build
from workbench.network import layers, weight_format
from workbench.recipe import Recipe
from workbench.techniques._channel_choice import cheapest_first
from workbench.techniques._channel_groups import Group, structure
from workbench.techniques._channel_ranking import by_scores
from workbench.techniques.channels import Channels
from workbench.techniques.magnitude import Magnitude
from workbench.techniques.weight_bits import WeightBits

MakeCtx = Callable[..., Context]


def simple(**settings: object) -> Channels:
    """Return the step without calibration images, whose kept weights are those of the network bit for bit."""
    return Channels(**({"score": "magnitude", "refit": False, "streams": "all"} | settings))


def kept_rows(before: nn.Module, after: nn.Module, name: str = "conv1") -> list[int]:
    """Return which rows of a layer are left; its inputs must be as before."""
    old, new = (layers(model)[name].weight for model in (before, after))
    rows = [index for index, row in enumerate(old) if any(torch.equal(row, other) for other in new)]
    assert len(rows) == len(new)
    return rows


def widths(model: nn.Module) -> dict[str, int]:
    return {name: len(layer.weight) for name, layer in layers(model).items()}


@pytest.fixture
def ranked(net: nn.Module) -> nn.Module:
    """The toy network with channels whose order by norm is plain to see: conv1 4 2 5 0 3 1, conv2 7 6 5 ... 0."""
    found = layers(net)
    with torch.no_grad():
        for parameter in net.parameters():
            parameter.fill_(0.1)
        for channel, size in enumerate((3, 1, 5, 2, 6, 4)):
            found["conv1"].weight[channel] = size
        for channel in range(8):
            found["fc"].weight[:, 16 * channel : 16 * (channel + 1)] = channel
    return net


def test_the_largest_stay_with_all_that_reads_them(ranked: nn.Module, ctx: Context) -> None:
    result = simple(ratio=0.5, scope="layer").apply(ranked, ctx)
    first, second = [2, 4, 5], [4, 5, 6, 7]
    columns = [16 * channel + pixel for channel in second for pixel in range(16)]
    old, new = layers(ranked), layers(result)
    assert torch.equal(new["conv1"].weight, old["conv1"].weight[first])
    assert torch.equal(new["conv2"].weight, old["conv2"].weight[second][:, first])
    assert torch.equal(new["conv2"].bias, old["conv2"].bias[second])
    assert torch.equal(new["fc"].weight, old["fc"].weight[:, columns])
    for name, rows in (("bn1", first), ("bn2", second)):
        before, after = ranked.get_submodule(name), result.get_submodule(name)
        assert after.num_features == len(rows)
        for key, value in after.state_dict().items():
            assert torch.equal(value, before.state_dict()[key][rows] if value.ndim else value)


def test_what_reads_a_channel_counts_too(net: nn.Module, ctx: Context) -> None:
    found = layers(net)
    with torch.no_grad():
        net.get_submodule("bn1").weight.fill_(1)
        net.get_submodule("bn1").bias.fill_(0)
        for channel, size in enumerate((5, 1, 4, 2, 6, 3)):
            found["conv1"].weight[channel] = torch.linspace(-1, 1, 9).roll(channel).view(1, 3, 3)  # equal norms
            found["conv2"].weight[:, channel] = size
    result = simple(ratio=0.5, scope="layer").apply(net, ctx)
    assert kept_rows(net, result) == [0, 2, 4]


def test_the_count_of_parameters(net: nn.Module, ctx: Context) -> None:
    result = simple(ratio=0.5, scope="layer").apply(net, ctx)
    expected = 3 * 1 * 9 + 2 * 3 + (4 * 3 * 9 + 4) + 2 * 4 + (3 * 4 * 16 + 3)
    assert sum(p.numel() for p in result.parameters()) == expected == 348


def test_the_answers_are_those_of_the_network_with_these_channels_at_zero(net: nn.Module, ctx: Context) -> None:
    result = simple(ratio=0.5, layers={"conv2": 0.0}).apply(net, ctx)
    gone = [row for row in range(6) if row not in kept_rows(net, result)]
    assert len(gone) == 3
    with torch.no_grad():
        net.get_submodule("bn1").weight[gone] = 0
        net.get_submodule("bn1").bias[gone] = 0
    inputs = ctx.calibration.inputs(torch.arange(20))
    torch.testing.assert_close(result(inputs), net(inputs))


def test_nothing_removed_is_the_same_network(net: nn.Module, ctx: Context) -> None:
    result = simple(ratio=0).apply(net, ctx)
    assert result is not net
    assert fingerprint(result) == fingerprint(net)
    assert fingerprint(simple(ratio=0.01).apply(net, ctx)) == fingerprint(net)  # a hundredth of 14 rounds to none


@pytest.mark.parametrize("scope", ["global", "layer"])
@pytest.mark.parametrize("score", ["magnitude", "random"])
def test_a_channel_stays_everywhere(scope: str, score: str, net: nn.Module, ctx: Context) -> None:
    step = simple(ratio=0.9, scope=scope, score=score)
    result = step.apply(net, ctx)
    assert widths(result) == {"conv1": 1, "conv2": 1, "fc": 3}
    assert result(ctx.example).shape == (2, 3)
    with pytest.raises(Refused, match="no channels of this network can be removed"):
        step.apply(result, ctx)


def test_a_narrow_network_can_be_narrowed_again(net: nn.Module, ctx: Context) -> None:
    step = simple(ratio=0.5, scope="layer")
    assert widths(compress(net, Recipe((step, step)), ctx)) == {"conv1": 1, "conv2": 2, "fc": 3}  # 6 3 1.5, 8 4 2


def test_a_global_ranking_removes_that_share_of_all(net: nn.Module, ctx: Context) -> None:
    result = widths(simple(ratio=0.5).apply(net, ctx))
    assert result["conv1"] + result["conv2"] == 7  # of 6 + 8


@pytest.mark.parametrize(
    ("multiple", "ratio", "expected"), [(4, 0.5, (4, 4)), (4, 0.3, (4, 8)), (8, 0.5, (6, 8)), (1, 0.5, (3, 4))]
)
def test_widths_go_up_to_a_multiple(
    multiple: int, ratio: float, expected: tuple[int, int], net: nn.Module, ctx: Context
) -> None:
    result = simple(ratio=ratio, scope="layer", multiple=multiple).apply(net, ctx)
    assert widths(result) == {"conv1": expected[0], "conv2": expected[1], "fc": 3}


def test_the_best_come_back_for_a_multiple(ranked: nn.Module, ctx: Context) -> None:
    result = simple(ratio=0.5, scope="layer", multiple=4).apply(ranked, ctx)
    assert kept_rows(ranked, result) == [0, 2, 4, 5]


def test_random_channels_depend_on_the_seed_alone(net: nn.Module, make_ctx: MakeCtx) -> None:
    def kept(seed: int) -> list[int]:
        return kept_rows(net, simple(ratio=0.5, scope="layer", score="random").apply(net, make_ctx(seed=seed)))

    before = [kept(seed) for seed in range(6)]
    assert before == [kept(seed) for seed in range(6)]
    assert len(set(map(tuple, before))) > 1
    with torch.no_grad():
        layers(net)["conv1"].weight.mul_(torch.arange(1, 7).view(6, 1, 1, 1))
    assert before == [kept(seed) for seed in range(6)]


def test_a_layer_may_have_a_ratio_of_its_own(net: nn.Module, ctx: Context) -> None:
    assert widths(simple(ratio=0, layers={"conv1": 0.5}).apply(net, ctx)) == {"conv1": 3, "conv2": 8, "fc": 3}
    assert widths(simple(ratio=0.5, layers={"conv1": 0}).apply(net, ctx)) == {"conv1": 6, "conv2": 4, "fc": 3}
    simple(layers={"fc": 0.5}).apply(net, ctx)
    assert ctx.notes == ["channel pruning has nothing to remove in fc"]


class Stream(nn.Module):
    """One residual block on a stream of eight channels."""

    def __init__(self) -> None:
        super().__init__()
        self.stem, self.inner = nn.Conv2d(1, 8, 3, padding=1), nn.Conv2d(8, 4, 3, padding=1)
        self.outer, self.head = nn.Conv2d(4, 8, 3, padding=1), nn.Linear(8, 3)

    def forward(self, x: Tensor) -> Tensor:
        x = self.stem(x).relu()
        return self.head((x + self.outer(self.inner(x).relu())).mean((2, 3)))


def test_tied_layers_take_the_lowest_ratio(ctx: Context) -> None:
    step = simple(ratio=0.9, layers={"stem": 0.75, "outer": 0.25, "inner": 0.5})
    assert widths(step.apply(Stream(), ctx)) == {"stem": 6, "inner": 2, "outer": 6, "head": 3}


@pytest.mark.parametrize(
    "order",
    list(itertools.permutations((simple(ratio=0.4), Magnitude(ratio=0.6), WeightBits(bits=3, symmetric=False)))),
    ids=lambda order: "-".join(step.name for step in order),
)
def test_masks_and_grids_leave_with_their_channels(order: tuple, net: nn.Module, ctx: Context) -> None:
    result = compress(net, Recipe(order), ctx)
    assert sum(widths(result).values()) < sum(widths(net).values())
    for layer in layers(result).values():
        form = weight_format(layer)
        assert form.mask.shape == layer.weight.shape
        assert (layer.weight[~form.mask] == 0).all()
        assert form.grid.scale.shape == form.grid.zero.shape == (len(layer.weight),)
        assert torch.equal(form.grid.decode(form.grid.encode(layer.weight)), layer.weight)


def test_the_format_of_each_channel_is_its_own(net: nn.Module, ctx: Context) -> None:
    held = compress(net, Recipe((Magnitude(ratio=0.5), WeightBits(bits=4))), ctx)
    result = simple(ratio=0.5, layers={"conv2": 0.0}).apply(held, ctx)
    rows = kept_rows(held, result)
    for name, pick in (("conv1", lambda x: x[rows]), ("conv2", lambda x: x[:, rows])):
        old, new = weight_format(layers(held)[name]), weight_format(layers(result)[name])
        assert torch.equal(layers(result)[name].weight, pick(layers(held)[name].weight))
        assert torch.equal(new.mask, pick(old.mask))
    assert torch.equal(
        weight_format(layers(result)["conv1"]).grid.scale, weight_format(layers(held)["conv1"]).grid.scale[rows]
    )
    assert torch.equal(
        weight_format(layers(result)["conv2"]).grid.scale, weight_format(layers(held)["conv2"]).grid.scale
    )


def test_one_grid_for_a_layer_stays_one(net: nn.Module, ctx: Context) -> None:
    held = WeightBits(bits=4, per_channel=False).apply(net, ctx)
    result = simple(ratio=0.5).apply(held, ctx)
    for name, layer in layers(result).items():
        assert torch.equal(weight_format(layer).grid.scale, weight_format(layers(held)[name]).grid.scale)


def test_what_cannot_be_removed_is_named(ctx: Context) -> None:
    model = nn.Sequential(
        nn.Conv2d(1, 4, 3), nn.Sigmoid(), nn.Conv2d(4, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(64, 3)
    )
    result = simple(ratio=0.5).apply(model, ctx)
    assert widths(result) == {"0": 4, "2": 2, "5": 3}
    assert ctx.notes == ["channel pruning left whole: 0"]


def test_a_network_without_a_channel_to_spare_is_refused(ctx: Context) -> None:
    model = nn.Sequential(nn.Flatten(), nn.Linear(64, 3))
    with pytest.raises(Refused, match=r"^channels: no channels of this network can be removed .* leave this step out"):
        simple(ratio=0.5).apply(model, ctx)
    assert fingerprint(simple(ratio=0).apply(model, ctx)) == fingerprint(model)


class Activated(nn.Module):
    """A network whose activation is a function, which nothing but running it tells apart from another."""

    def __init__(self, first: Callable[[Tensor], Tensor], second: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.first, self.second = first, second
        self.conv1, self.conv2, self.head = nn.Conv2d(1, 4, 3), nn.Conv2d(4, 4, 3), nn.Linear(64, 3)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.second(self.conv2(self.first(self.conv1(x)))).flatten(1))


def test_the_outcome_is_compared_again_whatever_was_found_before(ctx: Context) -> None:
    structure(Activated(torch.relu, torch.relu), ctx)
    result = simple(ratio=0.5, scope="layer").apply(Activated(torch.relu, torch.sigmoid), ctx)
    assert widths(result) == {"conv1": 2, "conv2": 4, "head": 3}
    assert ctx.notes == ["channel pruning left whole, because the answers changed: conv2"]
    with pytest.raises(Refused, match="no channels of this network can be removed"):
        simple(ratio=0.5, scope="layer").apply(Activated(torch.sigmoid, torch.sigmoid), ctx)


def keep_globally(scores: list[Tensor], ratio: float) -> list[Tensor]:
    """Return masks of the scores after that share of all channels has left."""
    starts = [sum(map(len, scores[:number])) for number in range(len(scores))]
    labels = [torch.arange(start, start + len(score)) for start, score in zip(starts, scores, strict=True)]
    rankings = [by_scores(Group(("layer",), label), score) for label, score in zip(labels, scores, strict=True)]
    gone = list(itertools.islice(cheapest_first(rankings), round(ratio * sum(map(len, scores)))))
    return [~torch.isin(label, torch.tensor(gone)) for label in labels]


def test_keep_globally_by_hand() -> None:
    # LAMP scores are 4/16 4/12 4/8 1 and 1/74 9/73 1; the largest of each stays.
    even, uneven = torch.full((4,), 2.0), torch.tensor([1.0, 3.0, 8.0])
    two, three = keep_globally([even, uneven], 0.3), keep_globally([even, uneven], 0.45)
    assert [keep.tolist() for keep in two] == [[True] * 4, [False, False, True]]
    assert [keep.tolist() for keep in three] == [[False, True, True, True], [False, False, True]]


@given(
    st.lists(st.lists(st.integers(0, 100).map(float), min_size=2, max_size=30), min_size=1, max_size=5),
    st.integers(0, 90).map(lambda percent: percent / 100),
)
def test_keep_globally_keeps_a_tenth_of_each_and_drops_what_was_asked(values: list[list[float]], ratio: float) -> None:
    scores = [torch.tensor(value) for value in values]
    keeps = keep_globally(scores, ratio)
    sizes, floors = [len(value) for value in values], [math.ceil(len(value) / 10) for value in values]
    assert [len(keep) for keep in keeps] == sizes
    assert all(int(keep.sum()) >= floor for keep, floor in zip(keeps, floors, strict=True))
    assert sum(int((~keep).sum()) for keep in keeps) == min(round(ratio * sum(sizes)), sum(sizes) - sum(floors))
    for score, keep in zip(scores, keeps, strict=True):
        assert keep.all() or score[~keep].max() <= score[keep].min()


@pytest.mark.parametrize(
    ("name", "shape"),
    [("digits-cnn", (1, 8, 8)), ("digits-resnet", (1, 8, 8)), ("lenet5", (1, 28, 28)), ("resnet20", (3, 32, 32))],
)
def test_networks_of_the_zoo(name: str, shape: tuple[int, int, int], make_ctx: MakeCtx) -> None:
    pixels = torch.randint(0, 256, (2, *shape), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    grey = (0.5,) * shape[0]
    view = View(TensorImages(pixels, torch.zeros(2)), Preprocess(shape, grey, grey))
    model, ctx = build(name, 10).eval(), make_ctx(calibration=view)
    result = simple(ratio=0.5, multiple=4).apply(model, ctx)
    assert ctx.notes == []
    assert all(width % 4 == 0 or width == widths(model)[layer] for layer, width in widths(result).items())
    assert sum(p.numel() for p in result.parameters()) < 0.5 * sum(p.numel() for p in model.parameters())
