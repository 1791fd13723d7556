"""Layers, the formats of their weights, copies, and what a network must be."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn

from workbench.context import fingerprint
from workbench.errors import Refused
from workbench.grid import Grid, GridSpec
from workbench.network import (
    FREE,
    WeightFormat,
    architecture,
    check,
    clone,
    hold_,
    layers,
    name_architecture_,
    settle_,
    weight_format,
)


class Scores(nn.Module):
    """A linear network for images [N, 1, 2, 2] whose answer is changed by a function."""

    def __init__(self, change: Callable[[Tensor], object] = lambda scores: scores, classes: int = 3) -> None:
        super().__init__()
        self.fc = nn.Linear(4, classes)
        self.change = change

    def forward(self, x: Tensor) -> object:
        return self.change(self.fc(x.flatten(1)))


def linear(*rows: tuple[float, ...]) -> nn.Linear:
    layer = nn.Linear(len(rows[0]), len(rows))
    layer.weight.data = torch.tensor(rows)
    return layer


EXAMPLE = torch.zeros(2, 1, 2, 2)


# layers


def test_layers_are_linear_and_convolutions_by_name() -> None:
    model = nn.Sequential(nn.Conv1d(1, 2, 1), nn.BatchNorm1d(2), nn.Sequential(nn.Conv2d(1, 2, 1), nn.Conv3d(1, 2, 1)))
    model.append(nn.Linear(2, 2)).append(nn.Embedding(2, 2)).append(nn.ConvTranspose2d(1, 2, 1))
    assert list(layers(model)) == ["0", "2.0", "2.1", "3"]
    assert layers(nn.Linear(2, 2)).keys() == {""}


def test_a_shared_weight_is_listed_once_under_its_first_name() -> None:
    model = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2), nn.Linear(2, 2))
    model[2].weight = model[0].weight
    assert list(layers(model)) == ["0", "1"]
    same = nn.Sequential(model[0], model[0])
    assert list(layers(same)) == ["0"]


def test_a_weight_that_is_computed_is_no_weight_of_a_layer() -> None:
    model = nn.Sequential(nn.utils.parametrizations.weight_norm(nn.Linear(2, 2)), nn.Linear(2, 2))
    assert list(layers(model)) == ["1"]


# formats


def test_a_free_weight_stays_as_it_is() -> None:
    layer = linear((1.0, -2.0))
    assert weight_format(layer) is FREE
    assert torch.equal(FREE.snapped(layer.weight), layer.weight)
    settle_(layer)
    assert layer.weight.tolist() == [[1, -2]]


def test_a_mask_makes_zeros_and_stays_with_copies() -> None:
    layer = linear((1.0, -2.0), (3.0, 4.0))
    mask = torch.tensor([[True, False], [False, True]])
    hold_(layer, mask=mask)
    assert layer.weight.tolist() == [[1, 0], [0, 4]]
    copied = clone(layer)
    layer.weight.data.fill_(9.0)
    assert copied.weight.tolist() == [[1, 0], [0, 4]]
    assert torch.equal(weight_format(copied).mask, mask)
    assert weight_format(copied).mask is not mask


def test_what_was_negative_becomes_plain_zero() -> None:
    layer = linear((-1.0, -2.0))
    hold_(layer, mask=torch.tensor([[False, True]]))
    assert str(layer.weight[0, 0].item()) == "0.0"
    half = linear((-1e-30, -2.0))
    hold_(half, grid=Grid.fit(half.weight, GridSpec(bits=16)))
    assert str(half.weight[0, 0].item()) == "0.0"


def test_a_grid_is_added_to_a_mask_and_taken_away() -> None:
    layer = linear((1.0, -0.4, 0.2, 0.7))
    hold_(layer, mask=torch.tensor([[True, True, True, False]]))
    hold_(layer, grid=Grid.fit(layer.weight, GridSpec(bits=2)))
    assert layer.weight.tolist() == [[1, 0, 0, 0]]
    form = weight_format(layer)
    assert form.mask.tolist() == [[True, True, True, False]]
    hold_(layer, grid=None)
    assert weight_format(layer).grid is None
    assert weight_format(layer).mask is form.mask


def test_settling_fits_the_grid_to_what_the_mask_leaves() -> None:
    layer = linear((1.0, 2.0, 4.0))
    hold_(layer, mask=torch.tensor([[True, True, False]]), grid=Grid.fit(layer.weight, GridSpec(bits=2)))
    layer.weight.data = torch.tensor([[3.0, -1.0, 100.0]])
    settle_(layer)
    assert layer.weight.tolist() == [[3, 0, 0]]
    assert weight_format(layer).grid.scale.tolist() == [3]


def test_fitting_and_snapping_leave_the_weight_and_the_format_alone() -> None:
    weight = torch.tensor([[3.0, -1.0, 100.0]])
    form = WeightFormat(torch.tensor([[True, True, False]]), Grid.fit(torch.ones(1, 3), GridSpec(bits=2)))
    assert form.snapped(weight).tolist() == [[1, -1, 0]], "onto the grid that is there"
    assert form.fitted(weight).grid.scale.tolist() == [3], "what the mask takes does not count"
    assert form.fitted(weight).snapped(weight).tolist() == [[3, 0, 0]]
    assert FREE.fitted(weight) is FREE
    assert weight.tolist() == [[3, -1, 100]]
    assert form.grid.scale.tolist() == [1]


@given(
    st.lists(st.floats(-100, 100, width=32), min_size=6, max_size=6),
    st.lists(st.booleans(), min_size=6, max_size=6),
    st.sampled_from([1, 2, 3, 8, 16]),
    st.booleans(),
)
def test_settling_is_fitting_and_snapping_and_settling_twice_is_settling_once(
    values: list[float], mask: list[bool], bits: int, symmetric: bool
) -> None:
    layer = linear(tuple(values[:3]), tuple(values[3:]))
    spec = GridSpec(bits=bits, symmetric=symmetric)
    held = torch.tensor(mask).view(2, 3)
    form = WeightFormat(held, Grid.fit(layer.weight, spec))
    wanted = form.fitted(layer.weight.detach()).snapped(layer.weight.detach())
    hold_(layer, mask=held)
    hold_(layer, grid=Grid.fit(layer.weight, spec))
    assert torch.equal(layer.weight, wanted)
    settle_(layer)
    torch.testing.assert_close(layer.weight.detach(), wanted, rtol=1e-5, atol=1e-6 * float(wanted.abs().max()))


# copies and names


def test_a_copy_is_independent() -> None:
    model = Scores()
    copied = clone(model)
    copied.fc.weight.data.fill_(0)
    assert model.fc.weight.abs().sum() > 0


def test_the_old_weight_norm_is_refused_with_its_remedy() -> None:
    with pytest.warns(FutureWarning, match="weight_norm"):
        layer = nn.utils.weight_norm(nn.Linear(4, 3))
    model = nn.Sequential(nn.Flatten(), layer)
    model(EXAMPLE)
    with pytest.raises(Refused) as refusal:
        clone(model)
    assert "cannot be copied" in str(refusal.value)
    assert "torch.nn.utils.parametrizations.weight_norm, or remove_weight_norm first" in str(refusal.value)
    nn.utils.remove_weight_norm(layer)
    assert clone(model) is not model


def test_whatever_fails_in_a_copy_is_refused() -> None:
    class Stubborn(nn.Module):
        def __deepcopy__(self, memo: dict) -> nn.Module:
            raise KeyError("mine")

    with pytest.raises(Refused, match=r"\(KeyError: 'mine'\)"):
        clone(Stubborn())


def test_the_architecture_is_a_name_on_the_network() -> None:
    model = Scores()
    assert architecture(model) == ""
    assert name_architecture_(model, "digits-cnn") is model
    assert architecture(clone(model)) == "digits-cnn"


# what a network must be


def test_a_usable_network_passes_and_is_not_touched() -> None:
    model = nn.Sequential(nn.Conv2d(1, 2, 1), nn.BatchNorm2d(2), nn.Flatten(), nn.Linear(8, 3)).train()
    before = fingerprint(model)
    check(model, EXAMPLE, 3)
    assert fingerprint(model) == before
    assert model.training


@pytest.mark.parametrize(
    ("model", "sentence"),
    [
        (Scores(lambda s: (s, s)), r"must return one tensor of scores \[N, 3\], got a tuple: wrap it"),
        (Scores(lambda s: {"out": s}), r"must return one tensor of scores \[N, 3\], got a dict"),
        (Scores(lambda s: None), r"must return one tensor of scores \[N, 3\], got a NoneType"),
        (Scores(classes=7), r"must return scores \[N, 3\], one for each class of the data, got \[2, 7\]"),
        (Scores(lambda s: s.sum(1)), r"got \[2\]"),
        (Scores(lambda s: s[:1]), r"got \[1, 3\]"),
        (Scores(lambda s: s[..., None, None]), r"got \[2, 3, 1, 1\]"),
        (nn.Linear(9, 3), r"failed on an input of shape \(2, 1, 2, 2\): RuntimeError: "),
    ],
)
def test_an_unusable_network_is_refused(model: nn.Module, sentence: str) -> None:
    with pytest.raises(Refused, match=sentence):
        check(model, EXAMPLE, 3)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_values_that_are_not_finite_are_named(value: float) -> None:
    model = nn.Sequential(nn.Conv2d(1, 2, 1), nn.BatchNorm2d(2), nn.Flatten(), nn.Linear(8, 3))
    model[3].weight.data[0, :2] = value
    with pytest.raises(Refused, match=r"^3\.weight holds 2 values that are NaN or infinite$"):
        check(model, EXAMPLE, 3)
    model[3].weight.data.zero_()
    model[1].running_var[0] = value
    with pytest.raises(Refused, match=r"^1\.running_var holds 1 values that are NaN or infinite$"):
        check(model, EXAMPLE, 3)
