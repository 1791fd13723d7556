"""The knapsack: against every choice there is, and against an instance worked by hand."""

from __future__ import annotations

import itertools
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workbench.errors import Refused
from workbench.search import knapsack
from workbench.search.knapsack import Item, solve

LOSSES = st.one_of(st.integers(0, 3).map(float), st.floats(0, 5, allow_subnormal=False))


@st.composite
def problems(draw):
    limits = draw(st.integers(1, 3))
    costs = st.tuples(*[st.integers(0, 9).map(float)] * limits)
    items = st.builds(lambda loss, cost: Item(loss=loss, costs=cost), LOSSES, costs)
    classes = draw(st.lists(st.lists(items, min_size=1, max_size=5), min_size=1, max_size=5))
    roof = [draw(st.integers(0, 7 * len(classes))) / 2 for _ in range(limits)]
    return classes, roof


def tried(classes, roof):
    """The least loss of all choices within the limits, by trying each."""
    return min(
        (
            sum(item.loss for item in choice)
            for choice in itertools.product(*classes)
            if all(sum(item.costs[k] for item in choice) <= roof[k] for k in range(len(roof)))
        ),
        default=math.inf,
    )


@given(problems())
def test_it_is_as_good_as_trying_everything(problem):
    classes, roof = problem
    found = solve(classes, roof)
    best = tried(classes, roof)
    if found.picks is None:
        assert best == math.inf
        return
    assert found.loss == pytest.approx(best)
    assert found.gap == pytest.approx(0)
    chosen = [items[pick] for items, pick in zip(classes, found.picks, strict=True)]
    assert sum(item.loss for item in chosen) == pytest.approx(found.loss)
    assert found.costs == pytest.approx([sum(item.costs[k] for item in chosen) for k in range(len(roof))])


def test_by_hand():
    # two layers: 8, 4, 2 bits; the limit leaves room for 4 and 8 or 8 and 4, and the second is the dearer one to hurt
    first = [Item(loss=0, costs=(80,)), Item(loss=1, costs=(40,)), Item(loss=9, costs=(20,))]
    second = [Item(loss=0, costs=(80,)), Item(loss=3, costs=(40,)), Item(loss=27, costs=(20,))]
    found = solve([first, second], [120])
    assert (found.picks, found.loss, found.costs) == ((1, 0), 1, (120,))
    assert solve([first, second], [80]).picks == (1, 1)
    assert solve([first, second], [math.inf]).picks == (0, 0)


def test_what_cannot_be_says_what_could():
    found = solve([[Item(loss=0, costs=(5, 1)), Item(loss=1, costs=(3, 2))]] * 2, [5, 100])
    assert found.picks is None
    assert found.costs == (6, 2)


def test_limits_that_exclude_each_other_have_no_answer():
    found = solve([[Item(loss=0, costs=(0, 9)), Item(loss=0, costs=(9, 0))]], [5, 5])
    assert found.picks is None
    assert found.loss == math.inf


def test_an_infinite_loss_is_never_chosen():
    assert solve([[Item(loss=math.inf, costs=(1,)), Item(loss=2, costs=(3,))]], [3]).picks == (1,)
    with pytest.raises(Refused, match="no item of finite loss"):
        solve([[Item(loss=math.inf, costs=(1,))]], [3])


def test_lists_that_are_cut_tell_by_how_much_the_answer_may_miss(monkeypatch):
    classes = [
        [Item(loss=float((7 * i + 3 * j * j) % 11), costs=(float(j * (i + 3) % 13), float(9 - j))) for j in range(9)]
        for i in range(6)
    ]
    exact = solve(classes, [20, 30])
    monkeypatch.setattr(knapsack, "_SEVERAL", (1,))
    short = solve(classes, [20, 30])
    assert short.loss >= exact.loss
    assert short.bound <= exact.loss + 1e-9
    assert short.gap >= short.loss - exact.loss - 1e-9


@pytest.mark.parametrize(
    ("classes", "roof", "why"),
    [
        ([[]], [1], "empty"),
        ([[Item(loss=0, costs=(1, 2))]], [1], "needs 1 costs"),
        ([[Item(loss=math.nan, costs=(1,))]], [1], "NaN"),
        ([[Item(loss=0, costs=(math.inf,))]], [1], "infinite"),
        ([[Item(loss=0, costs=(1,))]], [math.nan], "NaN"),
    ],
)
def test_what_is_no_problem_is_refused(classes, roof, why):
    with pytest.raises(Refused, match=why):
        solve(classes, roof)


def test_without_classes_nothing_is_chosen():
    assert solve([], [1]).picks == ()
