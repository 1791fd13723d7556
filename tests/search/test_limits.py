"""Limits: what people write, and what nobody can mean."""

from __future__ import annotations

import pytest

from workbench.errors import Refused
from workbench.search.limits import Limits, amount


@pytest.mark.parametrize(
    ("kind", "text", "value"),
    [
        ("size_bytes", "60 kB", 60_000),
        ("size_bytes", "1.5MB", 1_500_000),
        ("size_bytes", "2KiB", 2048),
        ("size_bytes", "12,000", 12_000),
        ("macs", "20M", 20e6),
        ("macs", "2e7", 2e7),
        ("latency_ms", "2 ms", 2),
        ("latency_ms", "500us", 0.5),
        ("drop", "0.5", 0.005),
        ("drop", "2 points", 0.02),
    ],
)
def test_words_become_numbers(kind, text, value):
    assert amount(kind, text) == pytest.approx(value)


@pytest.mark.parametrize("text", ["", "kB", "much", "60 kilos", "nan", "1.2.3kB"])
def test_words_that_say_nothing_are_refused_with_the_units(text):
    with pytest.raises(Refused, match="one of the units B, kB"):
        amount("size_bytes", text)


@pytest.mark.parametrize(
    ("kind", "text", "why"),
    [
        ("macs", "-5", "--x must not be negative, got '-5'"),
        ("drop", "-1 points", "--x must not be negative, got '-1 points'"),
        ("drop", "nan", "--x must be a number, perhaps with one of the units points, point, %, got 'nan'"),
        ("macs", "1e999", "--x must be a finite number, got '1e999'"),
        ("size_bytes", "0kB", "--x must be above zero, got '0kB'"),
    ],
)
def test_a_refusal_says_what_was_written_where(kind, text, why):
    with pytest.raises(Refused) as caught:
        amount(kind, text, "--x")
    assert str(caught.value) == why


@pytest.mark.parametrize(
    ("given", "why"),
    [
        ({}, "say what you can afford"),
        ({"size_bytes": 0}, "above zero"),
        ({"size_bytes": float("nan")}, "above zero"),
        ({"macs": -1}, "above zero"),
        ({"drop": 1.0}, "at most all accuracy"),
        ({"latency_ms": 2}, "needs the device"),
    ],
)
def test_what_nobody_can_mean_is_refused(given, why):
    with pytest.raises(Refused, match=why):
        Limits(**given)


def test_nothing_to_lose_is_a_limit():
    assert str(Limits(drop=0.0)) == "at most 0 points of accuracy lost"


def test_one_of_something_is_told_as_one():
    told = "a file of at most 1 byte, at most 1 multiply-add, at most 1 byte of activations, at most 1 ms, runs on d"
    assert str(Limits(size_bytes=1, macs=1, peak_memory=1, latency_ms=1, device="d")) == told


def test_limits_in_words():
    limits = Limits(size_bytes=60_000, latency_ms=2, device="cortex-m7", drop=0.005)
    told = "a file of at most 60,000 bytes, at most 2 ms, runs on cortex-m7, at most 0.5 points of accuracy lost"
    assert str(limits) == told
    assert limits.costs == {"size_bytes": 60_000, "latency_ms": 2}
    assert limits.structural
    assert not Limits(size_bytes=1).structural
