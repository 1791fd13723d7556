"""Spearman's rank correlation, by hand and against scipy."""

from __future__ import annotations

import math

import pytest
import scipy.stats
import torch
from hypothesis import given
from hypothesis import strategies as st

from workbench.errors import Refused
from workbench.search.ranks import rank_correlation, ranks, spearman

ROWS = st.lists(st.tuples(st.integers(-5, 5), st.integers(-5, 5)), min_size=2, max_size=30)


def test_ties_get_the_mean_of_their_ranks() -> None:
    assert ranks(torch.tensor([3.0, 1.0, 3.0, 2.0, math.inf])).tolist() == [3.5, 1, 3.5, 2, 5]


def test_by_hand() -> None:
    # squared differences of ranks: 1, 1, 0, 0, so 1 - 6 * 2 / (4 * 15)
    assert spearman([1, 2, 3, 4], [20, 10, 30, 40]) == pytest.approx(0.8)
    assert spearman([1, 2, 3], [0.1, 5, math.inf]) == pytest.approx(1)
    assert spearman([1, 2, 3], [3, 2, 1]) == pytest.approx(-1)
    assert math.isnan(spearman([1, 1], [1, 2]))


@given(ROWS)
def test_it_is_that_of_scipy(pairs: list[tuple[int, int]]) -> None:
    a, b = zip(*pairs, strict=True)
    if len(set(a)) > 1 and len(set(b)) > 1:
        assert spearman(a, b) == pytest.approx(scipy.stats.spearmanr(a, b).statistic, abs=1e-12)
    else:
        assert math.isnan(spearman(a, b))


def test_the_interval_holds_the_value_and_narrows() -> None:
    generator = torch.Generator().manual_seed(1)
    a = torch.rand(200, generator=generator)
    b = a + 0.3 * torch.rand(200, generator=generator)
    few, many = rank_correlation(a[:20].tolist(), b[:20].tolist()), rank_correlation(a.tolist(), b.tolist())
    assert few is not None
    assert many is not None
    assert few.low <= few.value <= few.high
    assert many.high - many.low < 0.6 * (few.high - few.low)
    # Fisher's interval: atanh(r) +- 1.96 * 1.03 / sqrt(n - 3)
    half = 1.96 * 1.03 / 197**0.5
    assert many.low == pytest.approx(math.tanh(math.atanh(many.value) - half), abs=0.02)
    assert many.high == pytest.approx(math.tanh(math.atanh(many.value) + half), abs=0.02)
    assert (many.how, many.n) == ("measured", 200)


def test_too_few_pairs_say_nothing() -> None:
    assert rank_correlation([], []) is None
    assert rank_correlation([1, 2, 3], [1, 2, 3]) is None
    assert rank_correlation([1, 1, 1, 1], [1, 2, 3, 4]) is None


@pytest.mark.parametrize(("a", "b"), [([1], [1, 2]), ([1, math.nan], [1, 2])])
def test_what_cannot_be_ranked_is_refused(a: list[float], b: list[float]) -> None:
    with pytest.raises(Refused, match="a rank correlation needs two numbers of each thing"):
        spearman(a, b)
