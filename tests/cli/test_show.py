"""How rows and lists are shown to people."""

from __future__ import annotations

import pytest

from workbench.cli import show
from workbench.result import DataRef, Estimate, Job, ModelRef, Result


@pytest.mark.parametrize(
    ("estimate", "text"),
    [
        (Estimate(value=0.5, low=0.25, high=0.75, how="measured", unit="fraction", n=8), "50.00 % [25.00, 75.00]"),
        (Estimate.counted(1234567, "bytes"), "1,234,567 bytes"),
        (Estimate.counted(12), "12"),
        (Estimate(value=0.5, low=0.25, high=0.75, how="measured"), "0.5 [0.25, 0.75]"),
        (Estimate.counted(0.125, "fraction"), "12.50 %"),
        (Estimate(value=1.5, low=1.25, high=1.75, how="measured", unit="ms"), "1.5 ms [1.25, 1.75]"),
    ],
)
def test_values(estimate: Estimate, text: str) -> None:
    assert show.value(estimate) == text


def test_a_difference_is_told_in_points() -> None:
    change = Estimate(value=-0.0125, low=-0.03, high=0.0, how="measured", unit="fraction")
    assert show.value(change, points=True) == "-1.25 points [-3.00, 0.00]"


def test_columns_are_aligned() -> None:
    assert show.table([["a", "bb", "c"], ["aaa", "b", ""]]) == "a    bb  c\naaa  b"


def test_nothing_is_said_of_a_file_that_is_as_large_as_float32() -> None:
    accounts = {"everything": {"ratio": 1.01, "bytes": 80}, "parameters": {"ratio": 1.5, "bytes": 60}}
    row = Result(job=Job(model=ModelRef(name="m"), data=DataRef(name="d")), key="k", details={"size_bytes": accounts})
    assert [sentence[:9] for sentence in show.ratios(row)] == ["1.5 times"]


def test_only_counts_above_zero_are_so_many_times_more_or_less() -> None:
    bytes_, none = Estimate.counted(80, "bytes"), Estimate.counted(0.0, "fraction")
    measured = Estimate(value=-0.01, low=-0.02, high=0.0, how="measured", unit="fraction")
    assert show._change(bytes_, Estimate.counted(20, "bytes")) == "4x less"
    assert show._change(Estimate.counted(20, "bytes"), bytes_) == "4x more"
    assert [show._change(none, measured), show._change(none, none), show._change(None, bytes_)] == ["", "", ""]
    assert show._change(none, Estimate.counted(-0.01, "fraction")) == ""
