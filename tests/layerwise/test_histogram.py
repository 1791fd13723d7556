"""Histograms of weights and the points of their grids, worked by hand."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from workbench.grid import Grid, GridSpec
from workbench.layerwise import histogram
from workbench.layerwise.histogram import weight_histogram
from workbench.network import hold_, set_format_, weight_format


def layer(weight: list[list[float]]) -> nn.Linear:
    made = nn.Linear(len(weight[0]), len(weight))
    with torch.no_grad():
        made.weight.copy_(torch.tensor(weight))
    return made


def held(weight: list[list[float]], **spec: object) -> nn.Linear:
    made = layer(weight)
    hold_(made, grid=Grid.fit(made.weight, GridSpec(**spec)))
    return made


def test_without_a_grid_the_bins_are_even() -> None:
    found = weight_histogram(layer([[0.0, 1.0, 4.0]]), layer([[0.0, 0.0, 2.0]]), bins=4)
    assert found.unit == "weight"
    assert found.edges == (0, 1, 2, 3, 4)
    assert found.before == (1, 1, 0, 1)
    assert found.after == (2, 0, 1, 0)
    assert (found.points, found.counted, found.zeros) == ((), 3, 2)


def test_one_scale_keeps_the_axis_of_weights() -> None:
    now = held([[-3.0, 1.2, 0.4]], bits=3, per_channel=False)
    found = weight_histogram(layer([[-3.0, 1.2, 0.4]]), now, bins=20)
    assert found.points == (-3, -2, -1, 0, 1, 2, 3)
    assert found.unit == "weight"
    middles = [(a + b) / 2 for a, b in zip(found.edges, found.edges[1:], strict=False)]
    assert {round(m, 6): n for m, n in zip(middles, found.after, strict=True) if n} == {-3: 1, 1: 1, 0: 1}


def test_scales_of_channels_make_an_axis_of_steps() -> None:
    weight = [[3.0, 1.0, -1.6], [0.3, 0.1, 0.0]]
    now = held(weight, bits=3)
    found = weight_histogram(layer(weight), now)
    assert found.unit == "step"
    assert found.points == (-3, -2, -1, 0, 1, 2, 3)
    assert (min(found.edges), max(found.edges)) == pytest.approx((-3, 3), abs=0.7)
    assert sum(found.before) == sum(found.after) == 6


def test_points_of_channels_with_different_zero_points_are_all_there() -> None:
    now = held([[0.0, 3.0], [-3.0, 0.0]], bits=2, symmetric=False)
    assert weight_format(now).grid.zero.tolist() == [0, 3]
    assert weight_histogram(None, now).points == (-3, -2, -1, 0, 1, 2, 3)


@pytest.mark.parametrize(
    ("spec", "unit", "points"),
    [
        ({"bits": 1, "per_channel": False}, "weight", (-7 / 3, 7 / 3)),
        ({"bits": 16}, "weight", ()),
        ({"bits": 3, "kind": "powers", "per_channel": False}, "weight", (-4, -2, -1, 0, 1, 2, 4)),
        ({"bits": 3, "kind": "powers"}, "largest", (-1, -0.5, -0.25, 0, 0.25, 0.5, 1)),
        ({"bits": 2, "kind": "codebook"}, "weight", (-1, 0, 2, 4)),
        ({"bits": 1, "kind": "codebook"}, "weight", (-1, 3)),
    ],
)
def test_every_kind_of_grid_shows_its_points(spec: dict, unit: str, points: tuple[float, ...]) -> None:
    found = weight_histogram(None, held([[-1.0, 4.0, 2.0]] * 2, **spec))
    assert found.unit == unit
    assert found.points == pytest.approx(points)
    assert found.before == ()


@pytest.mark.parametrize("bits", [2, 3, 4, 5, 6, 7, 8])
@pytest.mark.parametrize("symmetric", [True, False])
def test_as_many_points_fall_into_one_bin_as_into_the_next(bits: int, symmetric: bool) -> None:
    weight = [torch.linspace(-1, 1.3, 999).tolist()] * 2
    found = weight_histogram(layer(weight), held(weight, bits=bits, symmetric=symmetric))
    points = torch.tensor(found.points, dtype=torch.float64)
    inside = torch.histogram(points, torch.tensor(found.edges, dtype=torch.float64)).hist
    assert set(inside[2:-2].tolist()) in ({1.0}, {0.0, 1.0}, {3.0}, {5.0}, {7.0})
    assert 20 < len(found.after) < 130


def test_channels_that_left_have_no_place_on_an_axis_of_steps() -> None:
    before, now = layer([[1.0, 2.0]] * 3), held([[1.0, 2.0]] * 2, bits=4)
    assert weight_histogram(before, now).before == ()
    assert sum(weight_histogram(before, layer([[1.0, 2.0]])).before) == 6


def test_weights_that_are_not_finite_are_not_counted() -> None:
    found = weight_histogram(None, layer([[float("nan"), float("inf"), 1.0]]))
    assert (found.counted, sum(found.after)) == (1, 1)
    assert weight_histogram(None, layer([[float("nan")]])).counted == 0


def test_large_weights_are_counted_at_every_place_of_a_filter(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(histogram, "_MOST_COUNTED", 30)
    made = layer([[float(n) for n in range(9)]] * 10)
    found = weight_histogram(None, made, bins=9)
    assert 9 <= found.counted <= 30
    assert min(found.after) >= 1


@given(st.lists(st.floats(-1e6, 1e6, width=32), min_size=1, max_size=50), st.sampled_from([0, 1, 2, 4, 8, 16]))
def test_no_weight_gets_lost(values: list[float], bits: int) -> None:
    before, now = layer([values]), layer([values])
    if bits:
        hold_(now, grid=Grid.fit(now.weight, GridSpec(bits=bits)))
    found = weight_histogram(before, now)
    assert sum(found.after) == sum(found.before) == found.counted == len(values)
    assert list(found.edges) == sorted(set(found.edges))


def test_the_format_alone_decides_the_axis() -> None:
    made = held([[1.0, 2.0], [3.0, 4.0]], bits=4)
    set_format_(made, weight_format(layer([[1.0]])))
    assert weight_histogram(None, made).unit == "weight"
