"""Channel groups: what goes together in each kind of network, and that only what was tried is let go."""

from __future__ import annotations

import copy
import dataclasses
import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.nn import functional as F

from workbench.context import Context
from workbench.errors import Refused
from workbench.images import Preprocess, TensorImages, View
from workbench.models._load import build
from workbench.network import layers
from workbench.registry import models
from workbench.techniques import _channel_groups
from workbench.techniques._channel_groups import Structure, largest_passing, structure, without
from workbench.techniques._channel_labels import _components, label_channels
from workbench.techniques._channel_surgery import masked, norms, sliced


def context(model: nn.Module, shape: tuple[int, int, int] = (3, 8, 8)) -> Context:
    pixels = torch.randint(0, 256, (4, *shape), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    grey = (0.5,) * shape[0]
    view = View(TensorImages(pixels, torch.zeros(4)), Preprocess(shape, grey, grey))

    def nothing(name: str) -> nn.Module:
        raise Refused(name)

    return Context(original=model, train=view, validation=view, calibration=view, build=nothing, load=nothing)


def find(model: nn.Module, shape: tuple[int, int, int] = (3, 8, 8)) -> Structure:
    return structure(model.eval(), context(model, shape))


def sizes(found: Structure) -> dict[tuple[str, ...], int]:
    return {group.layers: len(group.labels) for group in found.groups}


def tower(*middle: nn.Module, width: int = 6) -> nn.Sequential:
    """conv 0, the modules given, conv, pool, flatten, linear."""
    last = nn.Conv2d(width, 5, 1)
    return nn.Sequential(
        nn.Conv2d(3, 6, 3, padding=1), *middle, last, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(5, 4)
    )


class Residual(nn.Module):
    """Two blocks on one stream, the second with a projection to 8 channels."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 6, 3, padding=1)
        self.a1, self.a2 = nn.Conv2d(6, 4, 3, padding=1), nn.Conv2d(4, 6, 3, padding=1)
        self.b1, self.b2 = nn.Conv2d(6, 5, 3, padding=1), nn.Conv2d(5, 8, 3, padding=1)
        self.projection = nn.Conv2d(6, 8, 1)
        self.norm = nn.BatchNorm2d(8)
        self.head = nn.Linear(8, 4)

    def forward(self, x: Tensor) -> Tensor:
        x = F.relu(self.stem(x))
        x = F.relu(x + self.a2(F.relu(self.a1(x))))
        x = F.relu(self.norm(self.b2(F.relu(self.b1(x))) + self.projection(x)))
        return self.head(x.mean((2, 3)))


class Padded(nn.Module):
    """A shortcut without parameters that skips every second pixel and pads channels (He et al. 2016, option A)."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 4, 3, padding=1)
        self.conv1, self.conv2 = nn.Conv2d(4, 7, 3, stride=2, padding=1), nn.Conv2d(7, 8, 3, padding=1)
        self.head = nn.Linear(8, 4)

    def forward(self, x: Tensor) -> Tensor:
        x = F.relu(self.stem(x))
        y = self.conv2(F.relu(self.conv1(x)))
        x = F.relu(y + F.pad(x[:, :, ::2, ::2], (0, 0, 0, 0, 2, 2)))
        return self.head(torch.flatten(F.adaptive_avg_pool2d(x, 1), 1))


class Excited(nn.Module):
    """Squeeze and excite: a gate for each channel, between 0 and 1."""

    def __init__(self) -> None:
        super().__init__()
        self.stem, self.head = nn.Conv2d(3, 6, 3), nn.Linear(6, 4)
        self.squeeze, self.excite = nn.Conv2d(6, 3, 1), nn.Conv2d(3, 6, 1)

    def forward(self, x: Tensor) -> Tensor:
        x = self.stem(x)
        gate = torch.sigmoid(self.excite(F.relu(self.squeeze(F.adaptive_avg_pool2d(x, 1)))))
        return self.head((x * gate).mean((2, 3)))


class Joined(nn.Module):
    """Two branches side by side, and the stem beside them."""

    def __init__(self) -> None:
        super().__init__()
        self.stem, self.left, self.right = nn.Conv2d(3, 4, 3), nn.Conv2d(4, 5, 1), nn.Conv2d(4, 6, 1)
        self.norm, self.last, self.head = nn.BatchNorm2d(15), nn.Conv2d(15, 3, 1), nn.Linear(3 * 6 * 6, 4)

    def forward(self, x: Tensor) -> Tensor:
        x = F.relu(self.stem(x))
        x = self.norm(torch.cat([self.left(x), x, self.right(x)], 1))
        return self.head(torch.flatten(self.last(x), 1))


class Halved(nn.Module):
    """Works on one half of its channels, picked by position."""

    def __init__(self) -> None:
        super().__init__()
        self.stem, self.inner, self.head = nn.Conv2d(3, 6, 3), nn.Conv2d(3, 5, 1), nn.Linear(5, 4)

    def forward(self, x: Tensor) -> Tensor:
        kept, _ = self.stem(x).chunk(2, 1)
        return self.head(F.relu(self.inner(kept)).mean((2, 3)))


class Written(nn.Module):
    """Has the number of its features written in the code."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second, self.head = nn.Conv2d(3, 5, 3), nn.Conv2d(5, 6, 3), nn.Linear(6 * 4 * 4, 4)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.second(F.relu(self.first(x))).view(-1, 96))


class Scaled(nn.Module):
    """Multiplies each channel by a parameter that belongs to no layer."""

    def __init__(self) -> None:
        super().__init__()
        self.stem, self.inner, self.head = nn.Conv2d(3, 6, 3), nn.Conv2d(6, 5, 1), nn.Linear(5, 4)
        self.scale = nn.Parameter(torch.ones(6, 1, 1))

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.inner(self.stem(x) * self.scale).mean((2, 3)))


class Repeated(nn.Module):
    """Calls one layer twice."""

    def __init__(self) -> None:
        super().__init__()
        self.stem, self.again, self.head = nn.Conv2d(3, 6, 3), nn.Conv2d(6, 6, 1), nn.Linear(6, 4)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.again(F.relu(self.again(self.stem(x)))).mean((2, 3)))


def test_a_plain_network_has_a_group_for_each_layer_but_the_last() -> None:
    found = find(tower(nn.BatchNorm2d(6), nn.ReLU()))
    assert sizes(found) == {("0",): 6, ("3",): 5}
    assert found.whole == ()
    assert found.labelling.last == {"6"}


def test_a_flattened_channel_is_read_at_all_its_pixels() -> None:
    found = find(nn.Sequential(nn.Conv2d(3, 2, 3), nn.ReLU(), nn.Flatten(), nn.Linear(2 * 36, 4)))
    first, second = found.labelling.ports["0"].out.tolist()
    assert found.labelling.ports["3"].into.tolist() == [first] * 36 + [second] * 36


def test_a_residual_stream_goes_as_a_whole_and_inner_channels_alone() -> None:
    assert sizes(find(Residual())) == {
        ("stem", "a2"): 6,
        ("a1",): 4,
        ("b1",): 5,
        ("b2", "projection"): 8,
    }


def test_a_padded_shortcut_ties_only_the_channels_it_carries() -> None:
    found = find(Padded())
    assert sizes(found) == {("stem", "conv2"): 4, ("conv1",): 7}
    stem, conv2 = found.labelling.ports["stem"].out.tolist(), found.labelling.ports["conv2"].out.tolist()
    assert conv2 == [0, 0, *stem, 0, 0]


def test_a_depthwise_convolution_goes_with_what_it_reads() -> None:
    depthwise = nn.Conv2d(6, 6, 3, groups=6)
    assert sizes(find(tower(nn.ReLU6(), depthwise, nn.ReLU6()))) == {("0", "2"): 6, ("4",): 5}


def test_a_grouped_convolution_goes_group_by_group() -> None:
    found = find(tower(nn.ReLU(), nn.Conv2d(6, 9, 3, groups=3), nn.ReLU(), width=9))
    assert sizes(found) == {("0", "2"): 3, ("4",): 5}
    a, b, c = found.groups[0].labels.tolist()
    assert found.labelling.ports["0"].out.tolist() == [a, a, b, b, c, c]
    assert found.labelling.ports["2"].out.tolist() == [a, a, a, b, b, b, c, c, c]


def test_a_grouped_convolution_of_the_image_stays() -> None:
    found = find(nn.Sequential(nn.Conv2d(3, 6, 3, groups=3), nn.Flatten(), nn.Linear(216, 4)))
    assert (sizes(found), found.whole) == ({}, ("0",))


def test_a_group_norm_goes_group_by_group() -> None:
    found = find(tower(nn.GroupNorm(3, 6), nn.ReLU()))
    assert sizes(found) == {("0",): 3, ("3",): 5}


def test_a_gate_goes_with_the_channel_it_opens() -> None:
    assert sizes(find(Excited())) == {("stem", "excite"): 6, ("squeeze",): 3}


def test_branches_side_by_side_go_by_themselves() -> None:
    assert sizes(find(Joined())) == {("stem",): 4, ("left",): 5, ("right",): 6, ("last",): 3}


def test_a_layer_that_is_called_twice_goes_with_what_feeds_it() -> None:
    assert sizes(find(Repeated())) == {("stem", "again"): 6}


@pytest.mark.parametrize("activation", [nn.ReLU, nn.ReLU6, nn.Hardswish, nn.SiLU, nn.GELU, nn.Tanh, nn.PReLU])
def test_an_activation_that_keeps_zero_is_passed(activation: type[nn.Module]) -> None:
    assert sizes(find(tower(activation()))) == {("0",): 6, ("2",): 5}


@pytest.mark.parametrize("activation", [nn.Sigmoid, nn.Hardsigmoid, nn.Softplus])
def test_an_activation_that_makes_something_of_zero_leaves_its_layer_whole(activation: type[nn.Module]) -> None:
    found = find(tower(activation()))
    assert (sizes(found), found.whole) == ({("2",): 5}, ("0",))


@pytest.mark.parametrize("seed", range(20))
def test_dead_units_do_not_hide_what_is_made_of_zero(seed: int) -> None:
    blocks = [layer for _ in range(6) for layer in (nn.Conv2d(6, 6, 1), nn.BatchNorm2d(6), nn.ReLU())]
    model = tower(nn.Sigmoid(), *blocks).eval()
    ctx = dataclasses.replace(context(model), seed=seed)
    assert "0" in structure(model, ctx).whole  # others may be blamed beside it


def test_a_norm_without_parameters_cannot_be_silenced() -> None:
    norm = nn.BatchNorm2d(6, affine=False)
    assert find(tower(norm)).whole == ("0",)


@pytest.mark.parametrize(
    ("model", "whole"),
    [
        (Halved(), ("stem",)),
        (Written(), ("second",)),
        (Scaled(), ("stem",)),
        (tower(nn.LayerNorm((6, 8, 8))), ("0",)),
        (tower(nn.utils.parametrizations.weight_norm(nn.Conv2d(6, 6, 1))), ("0",)),  # 1 is no layer
    ],
)
def test_what_counts_on_its_channels_is_left_whole_and_the_rest_is_not(
    model: nn.Module, whole: tuple[str, ...]
) -> None:
    found = find(model)
    assert found.whole == whole
    assert len(found.groups) == 1


def test_shared_weights_are_left_whole() -> None:
    model = tower(nn.Conv2d(6, 6, 1), nn.ReLU(), nn.Conv2d(6, 6, 1))
    model[3].weight = model[1].weight
    found = find(model)
    assert sizes(found) == {("4",): 5}
    assert found.whole == ("0", "1")  # layers() names a shared weight once


def test_a_zero_in_the_weights_does_not_hide_what_is_made_of_it() -> None:
    model = tower(nn.Sigmoid())
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.zero_()
    assert find(model).whole == ("0",)


def test_numbers_in_single_precision_are_no_obstacle() -> None:
    class Single(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.body = tower(nn.ReLU())

        def forward(self, x: Tensor) -> Tensor:
            return self.body(x.float())

    assert sizes(find(Single())) == {("body.0",): 6, ("body.2",): 5}


def test_a_network_that_fails_on_labels_is_refused() -> None:
    class Picky(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.head = nn.Linear(192, 4)

        def forward(self, x: Tensor) -> Tensor:
            if not x.any():
                raise RuntimeError("black image")
            return self.head(x.flatten(1))

    with pytest.raises(Refused, match=r"cannot be followed: RuntimeError: black image"):
        find(Picky())


def test_the_network_is_left_as_it_was() -> None:
    model = Residual().eval()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    label_channels(model, torch.zeros(2, 3, 8, 8))
    find(model)
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in model.modules())


def test_structure_depends_on_the_architecture_alone() -> None:
    ctx = context(nn.Identity())
    first, second, other = tower().eval(), tower().eval(), tower(nn.ReLU()).eval()
    assert structure(first, ctx) is structure(second, ctx)
    assert structure(first, ctx) is not structure(other, ctx)


def test_without_compares_with_the_masked_twin() -> None:
    model = tower(nn.Sigmoid()).eval()
    example = torch.randn(2, 3, 8, 8, generator=torch.Generator().manual_seed(1))
    labelling = label_channels(model, example)
    sigmoid, fine = labelling.ports["0"].out[:2], labelling.ports["2"].out[:2]
    assert without(model, labelling, [sigmoid], example) is None
    smaller = without(model, labelling, [fine], example)
    assert smaller is not None
    assert smaller.get_parameter("2.weight").shape == (3, 6, 1, 1)
    assert smaller.get_parameter("5.weight").shape == (4, 3)


NETWORKS = {
    "plain": lambda: tower(nn.BatchNorm2d(6), nn.ReLU()),
    "depthwise": lambda: tower(nn.ReLU6(), nn.Conv2d(6, 6, 3, groups=6), nn.BatchNorm2d(6), nn.ReLU6()),
    "grouped": lambda: tower(nn.PReLU(6), nn.Conv2d(6, 9, 3, groups=3), nn.GroupNorm(3, 9), width=9),
    "residual": Residual,
    "padded": Padded,
    "excited": Excited,
    "joined": Joined,
    "halved": Halved,
    "written": Written,
    "scaled": Scaled,
    "repeated": Repeated,
}


@pytest.mark.parametrize("name", NETWORKS)
def test_the_smaller_network_is_its_masked_twin_and_learns(name: str) -> None:
    model = NETWORKS[name]().eval()
    ctx = context(model)
    found = structure(model, ctx)
    keep = torch.ones(found.labelling.count, dtype=torch.bool)
    for group in found.groups:
        keep[group.labels[::2]] = False
    smaller = copy.deepcopy(sliced(model, found.labelling.ports, keep))
    torch.testing.assert_close(smaller(ctx.example), masked(model, found.labelling.ports, keep)(ctx.example))
    assert sum(p.numel() for p in smaller.parameters()) < sum(p.numel() for p in model.parameters())
    for module in smaller.modules():
        if isinstance(module, nn.Conv2d):
            assert module.weight.shape[:2] == (module.out_channels, module.in_channels // module.groups)
        elif isinstance(module, nn.Linear):
            assert module.weight.shape == (module.out_features, module.in_features)
    smaller.train()(ctx.example).square().sum().backward()
    assert all(p.grad is not None and p.grad.shape == p.shape for p in smaller.parameters())


def test_a_masked_channel_carries_zero() -> None:
    model = tower(nn.BatchNorm2d(6), nn.ReLU()).eval()
    labelling = label_channels(model, torch.zeros(2, 3, 8, 8))
    keep = torch.ones(labelling.count, dtype=torch.bool)
    keep[labelling.ports["0"].out[4]] = False
    inner = masked(model, labelling.ports, keep)[:2](torch.ones(2, 3, 8, 8))
    assert inner[:, 4].abs().max() == 0
    assert inner[:, [0, 1, 2, 3, 5]].abs().amin((0, 2, 3)).min() > 0


def test_norms_count_all_that_leaves() -> None:
    model = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2))
    with torch.no_grad():
        model[0].weight.copy_(torch.tensor([[3.0, 4.0], [0.0, 0.0]]))
        model[0].bias.copy_(torch.tensor([0.0, 1.0]))
        model[1].weight.copy_(torch.tensor([[12.0, 2.0], [0.0, 2.0]]))
    labelling = label_channels(model, torch.zeros(2, 2))
    found = norms(model, labelling.ports, labelling.count)
    assert found[labelling.ports["0"].out].tolist() == [13.0, 3.0]  # 9 + 16 + 144 and 1 + 4 + 4


@given(st.lists(st.booleans(), max_size=20))
def test_largest_passing_finds_all_that_pass(good: list[bool]) -> None:
    found = largest_passing(range(len(good)), lambda chosen: all(good[index] for index in chosen))
    assert found == [index for index, fine in enumerate(good) if fine]


def test_largest_passing_needs_one_trial_where_all_pass() -> None:
    trials: list[list[int]] = []
    largest_passing([1, 2, 3], lambda chosen: trials.append(list(chosen)) is None)
    assert trials == [[1, 2, 3]]


@given(st.lists(st.tuples(st.integers(0, 11), st.integers(0, 11)), max_size=20))
def test_components_are_those_of_a_search(pairs: list[tuple[int, int]]) -> None:
    expected = list(range(12))
    for _ in range(12):
        for a, b in pairs:
            low = min(expected[a], expected[b])
            expected[a] = expected[b] = low
    ties = torch.tensor(pairs, dtype=torch.long).view(-1, 2)
    assert _components(ties, 12).tolist() == expected


def test_resnet20_loses_no_layer_to_its_padded_shortcuts() -> None:
    found = find(build("resnet20", 10), (3, 32, 32))
    widths = [len(group.labels) for group in found.groups]
    assert found.whole == ()
    assert sorted(widths) == [16] * 4 + [32] * 3 + [64] * 3  # the stream of 16, and the inside of nine blocks


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "whole"),
    [("resnet18", 0), ("mobilenet_v2", 0), ("mobilenet_v3_small", 0), ("densenet121", 0), ("shufflenet_v2_x0_5", 21)],
)
def test_networks_of_torchvision(name: str, whole: int, monkeypatch: pytest.MonkeyPatch) -> None:
    trials = []
    monkeypatch.setattr(_channel_groups, "without", lambda *a: trials.append(a) or without(*a))
    model = build(f"torchvision:{name}", 1000).eval()
    card = models.get(f"torchvision:{name}").card
    found = find(model, card.input_shape or (3, 224, 224))
    assert len(found.whole) == whole
    assert len(trials) <= 3 + 2 * whole * math.ceil(math.log2(len(layers(model))))
