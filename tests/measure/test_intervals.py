"""Intervals against hand-worked values, against scipy, and against what happens when samples are drawn."""

from __future__ import annotations

from math import comb

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import gamma, multinomial

from workbench.errors import Refused
from workbench.measure._counts import counts
from workbench.measure._intervals import added, difference, finite, paired, wilson


@pytest.mark.parametrize(
    ("hits", "n", "low", "high"),
    [
        (8, 10, 0.4902, 0.9433),  # the textbook case
        (0, 10, 0.0, 0.2775),  # z^2 / (n + z^2) = 3.8415 / 13.8415
        (10, 10, 0.7225, 1.0),
        (1, 1, 0.2065, 1.0),  # 1 / (1 + z^2)
        (50, 100, 0.4038, 0.5962),  # 0.5 -+ z / 2 / sqrt(n + z^2)
    ],
)
def test_wilson_agrees_with_hand_worked_values(hits: int, n: int, low: float, high: float) -> None:
    assert wilson(hits, n) == pytest.approx((low, high), abs=5e-5)


@given(st.integers(1, 10**7).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_wilson_holds_the_share_and_stays_within_bounds(case: tuple[int, int]) -> None:
    hits, n = case
    low, high = wilson(hits, n)
    assert 0 <= low <= hits / n <= high <= 1
    assert high - low > 0


@given(st.integers(1, 1000).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_wilson_is_where_the_score_test_just_rejects(case: tuple[int, int]) -> None:
    hits, n = case
    for bound in wilson(hits, n):
        if 0 < bound < 1:  # (share - p)^2 = z^2 p (1 - p) / n is its definition
            assert (hits / n - bound) ** 2 == pytest.approx(3.841458821 * bound * (1 - bound) / n, rel=1e-6)


@pytest.mark.parametrize(("hits", "n"), [(0, 0), (-1, 5), (6, 5)])
def test_impossible_counts_are_refused(hits: int, n: int) -> None:
    with pytest.raises(Refused, match="0 <= hits <= n"):
        wilson(hits, n)


def test_all_of_a_finite_set_is_known_exactly() -> None:
    assert finite(437, 500, 500) == (0.874, 0.874)


def test_a_finite_set_leaves_less_open_the_more_of_it_was_drawn() -> None:
    # Wilson's interval for 18 of 20 as if of n = 20 * 99 / 80 = 24.75: 0.8463 -+ 0.1224, 72.4 to 96.9 of 100
    assert finite(18, 20, 100) == (0.72, 0.97)
    assert finite(20, 20, 100)[1] == 1.0
    low, high = finite(90, 95, 100)
    assert low >= 0.90
    assert high <= 0.95


@pytest.mark.parametrize("right", [1, 8, 30, 55, 60])
@pytest.mark.parametrize("n", [10, 30, 50])
def test_a_finite_interval_holds_the_share_in_19_of_20_samples(right: int, n: int) -> None:
    held = 0.0
    for hits in range(max(0, n - (60 - right)), min(n, right) + 1):
        low, high = finite(hits, n, 60)
        if low - 1e-12 <= right / 60 <= high + 1e-12:
            held += comb(right, hits) * comb(60 - right, n - hits) / comb(60, n)
    assert held >= 0.94


def test_a_difference_adds_its_parts_like_standard_errors() -> None:
    # 0.3 - 0.1; down by hypot(0.3 - 0.26, 0.13 - 0.1) = 0.05, up by hypot(0.42 - 0.3, 0.1 - 0.05) = 0.13
    assert difference(0.3, (0.26, 0.42), 0.1, (0.05, 0.13)) == pytest.approx((0.15, 0.33))
    # wholly against each other, they add in full
    assert difference(0.3, (0.26, 0.42), 0.1, (0.05, 0.13), -1.0) == pytest.approx((0.13, 0.37))
    assert difference(1.0, (0.5, 1.0), 0.0, (0.0, 0.5)) == pytest.approx((1 - 0.5**0.5, 1.0))


@pytest.mark.parametrize(
    ("n", "gain", "loss"),
    [(200, 0.0025, 0.0125), (200, 0.01, 0.1), (600, 0.001, 0.001), (600, 0.005, 0.02), (600, 0.3, 0.3)],
)
def test_a_paired_interval_holds_the_difference_in_19_of_20_samples(n: int, gain: float, loss: float) -> None:
    seen = held = 0.0
    spread = [range(int(n * p - 40 * min(1, p * 5 + 0.3)), int(n * p + 60 * min(1, p * 5 + 0.3))) for p in (gain, loss)]
    chance = multinomial(n, [gain, loss, 1 - gain - loss])
    for gains in range(max(0, spread[0].start), spread[0].stop):
        for losses in range(max(0, spread[1].start), spread[1].stop):
            weight = chance.pmf([gains, losses, n - gains - losses])
            low, high = paired(gains / n, losses / n, n)
            seen += weight
            held += weight * (low <= gain - loss <= high)
    assert seen > 0.99
    assert held >= 0.94


def test_no_flip_at_all_leaves_both_directions_open() -> None:
    # Wilson's upper end for none of 596: 3.8415 / 599.8415
    assert paired(0.0, 0.0, 596) == pytest.approx((-0.006404, 0.006404), abs=1e-6)


def test_uncertainties_add_like_standard_errors() -> None:
    assert added(0.5, (0.47, 0.5), (0.46, 0.6)) == pytest.approx((0.45, 0.6))


@pytest.mark.parametrize(("mean", "variance"), [(0.4, 0.5), (3.0, 4.0), (40.0, 100.0), (2000.0, 2500.0)])
def test_counts_are_read_from_the_gamma_distribution_and_rounded_outwards(mean: float, variance: float) -> None:
    low, high = gamma.ppf([0.025, 0.975], mean**2 / variance, scale=variance / mean)
    assert counts(mean, variance, 5000) == (int(low), int(high) + 1)


def test_counts_never_leave_what_there_is() -> None:
    assert counts(9.0, 30.0, 10)[1] == 10
    assert counts(0.0, 0.0, 0) == (0, 0)
