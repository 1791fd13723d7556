from __future__ import annotations

import pytest

from widgets.text import change_text, interval, label, percent, points, quantity
from workbench.result import Estimate


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [
        (0, "bytes", "0 B"),
        (999, "bytes", "999 B"),
        (999.6, "bytes", "1 kB"),
        (17234, "bytes", "17.2 kB"),
        (1_000_000, "", "1 M"),
        (40_551_936, "MACs", "40.6 M MACs"),
        (0.5, "s", "0.5 s"),
    ],
)
def test_quantity(value, unit, text):
    assert quantity(value, unit) == text


def test_percent_and_interval():
    assert percent(0.875) == "87.5 %"
    assert interval(Estimate(value=0.5, low=0.25, high=0.75, how="measured", unit="fraction")) == "25.0 to 75.0 %"


def test_label():
    assert label("per_channel") == "Per channel"
    assert label("lr") == "Learning rate"


@pytest.mark.parametrize(("value", "text"), [(-0.004, "−0.4"), (0.0123, "+1.2"), (0.0, "0.0"), (-0.0004, "0.0")])
def test_points(value, text):
    assert points(value) == text


def test_a_change_is_told_with_the_wider_side_of_its_interval():
    change = Estimate(value=-0.004, low=-0.010, high=0.001, how="measured", unit="fraction")
    assert change_text(change) == "−0.4 ± 0.6 points"
