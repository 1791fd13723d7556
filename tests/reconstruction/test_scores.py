"""Scores and masks, by hand and against the plain loop."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from workbench.reconstruction.scores.lamp import lamp
from workbench.reconstruction.supports import lowest


def test_lamp_of_one_to_four_by_hand() -> None:
    # squares 1 4 9 16, and the sums of those not smaller 30 29 25 16
    scores = lamp(torch.tensor([[1.0, -2.0], [3.0, -4.0]]))
    assert scores.flatten().tolist() == pytest.approx([1 / 30, 4 / 29, 9 / 25, 1.0])


def test_lamp_orders_ties_by_position() -> None:
    assert lamp(torch.tensor([2.0, -2.0, 0.0, 2.0])).tolist() == pytest.approx([4 / 12, 4 / 8, 0.0, 1.0])


def test_lamp_of_zeros_is_zero() -> None:
    assert lamp(torch.zeros(2, 3)).tolist() == [[0, 0, 0], [0, 0, 0]]


@given(st.lists(st.floats(-10, 10, width=32), min_size=1, max_size=30))
def test_lamp_is_the_plain_loop(values: list[float]) -> None:
    squares = np.square(np.asarray(values, np.float64))
    order = np.argsort(np.square(np.asarray(values, np.float32)), kind="stable")
    wanted = np.zeros(len(values))
    for place, index in enumerate(order):
        remaining = squares[order[place:]].sum()
        wanted[index] = squares[index] / remaining if remaining > 1e-30 else 0
    found = lamp(torch.tensor(values, dtype=torch.float32)).numpy()
    big = squares > 1e-30  # below, float32 has no squares
    np.testing.assert_allclose(found[big], wanted[big], rtol=1e-4)


@given(st.lists(st.integers(0, 5).map(float), min_size=1, max_size=50), st.data())
def test_lowest_drops_exactly_so_many_and_none_that_beats_one_that_stays(
    values: list[float], data: st.DataObject
) -> None:
    score, drop = torch.tensor(values), data.draw(st.integers(0, len(values)))
    keep = lowest(score, drop)
    assert int((~keep).sum()) == drop
    assert not drop or not keep.any() or score[~keep].max() <= score[keep].min()


def test_lowest_breaks_ties_by_position() -> None:
    score = torch.tensor([[3.0, 1.0, 1.0], [1.0, 2.0, 0.0]])
    assert lowest(score, 3).int().tolist() == [[1, 0, 0], [1, 1, 0]]
    assert lowest(score, 0).all()
    assert not lowest(score, 6).any()
