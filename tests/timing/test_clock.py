"""The clock: medians and their intervals by hand, and a machine that is known to be busy."""

from __future__ import annotations

import math
import threading
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workbench.context import Progress, ignore
from workbench.errors import Cancelled, Refused
from workbench.timing.clock import Times, measured, median
from workbench.timing.turn import turn


@pytest.mark.parametrize(
    ("n", "low", "high"),
    [(1, 1, 1), (5, 1, 5), (6, 1, 6), (9, 2, 8), (20, 6, 15), (100, 40, 61)],  # ranks from tables of the sign test
)
def test_the_interval_of_a_median_is_that_of_its_ranks(n: int, low: int, high: int) -> None:
    found = median(range(n, 0, -1), "ms")
    assert (found.value, found.low, found.high) == ((n + 1) / 2, low, high)
    assert (found.n, found.how, found.unit) == (n, "measured", "ms")


@given(st.lists(st.floats(0.001, 1e6), min_size=6, max_size=200))
def test_the_ranks_cover_the_median_with_the_least_confidence(samples: list[float]) -> None:
    found = median(samples, "ms")
    ordered = sorted(samples)
    outside = ordered.index(found.low)
    assert found.low <= found.value <= found.high
    covered = 1 - 2 * sum(math.comb(len(samples), k) for k in range(outside + 1)) / 2 ** len(samples)
    assert covered >= 0.95 or len(set(samples)) < len(samples)


def test_no_samples_have_no_median() -> None:
    with pytest.raises(Refused, match="at least one sample"):
        median([], "ms")


def test_times_are_compared_round_by_round() -> None:
    times = Times(samples={"a": (2.0, 20.0, 4.0), "b": (1.0, 10.0, 2.0)}, yardstick=(1.0, 1.0, 1.0))
    assert times.ratio("a", "b").value == 2.0
    assert times.ratio("a", "b").low == times.ratio("a", "b").high == 2.0
    assert times.estimate("a").value == 4.0


def test_a_machine_whose_yardstick_scatters_is_noisy() -> None:
    assert not Times(samples={}, yardstick=(1.0,) * 9 + (9.0,)).noisy, "one disturbed round is no noise"
    busy = Times(samples={}, yardstick=(1.0,) * 6 + (1.5,) * 4)
    assert busy.noise == 1.5
    assert busy.noisy


def test_calls_are_timed_in_turns() -> None:
    told: list[str] = []
    times = measured({"a": lambda: told.append("a"), "b": lambda: told.append("b")}, seconds=0.05, once=True)
    assert times.rounds >= 15
    assert len(told) == 6 + 2 * times.rounds
    rounds = [set(told[at : at + 2]) for at in range(6, len(told), 2)]
    assert all(both == {"a", "b"} for both in rounds)


def test_a_sample_begins_with_warm_caches() -> None:
    order: list[str] = []

    def call(name: str) -> None:
        if order and order[-1] != name:
            time.sleep(0.004)  # as where the other has emptied the caches
        order.append(name)

    times = measured({"a": lambda: call("a"), "b": lambda: call("b")}, seconds=0.05)
    assert times.estimate("a").value < 1
    assert times.estimate("b").value < 1


def test_what_sleeps_longer_takes_longer() -> None:
    times = measured({"short": lambda: time.sleep(0.001), "long": lambda: time.sleep(0.004)}, seconds=0.1)
    assert times.ratio("long", "short").low > 1
    assert times.estimate("long").value >= 4


def test_it_stops_when_told() -> None:
    def stop(news: Progress) -> None:
        if "round 2" in news.message:
            raise Cancelled

    with pytest.raises(Cancelled):
        measured({"a": lambda: None}, report=stop)
    with turn(ignore):
        pass  # the turn was given back


def test_only_one_measures_at_a_time() -> None:
    waiting, order = threading.Event(), []

    def wait(news: Progress) -> None:
        if "waiting" in news.message:
            waiting.set()

    def second() -> None:
        with turn(wait):
            order.append("second")

    other = threading.Thread(target=second)
    with turn(ignore):
        other.start()
        assert waiting.wait(10)
        time.sleep(0.05)
        order.append("first")
    other.join(10)
    assert order == ["first", "second"]


def test_nothing_to_time_is_refused() -> None:
    with pytest.raises(Refused, match="at least one call"):
        measured({})
