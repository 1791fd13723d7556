"""What the page tells of the bytes of a file."""

from __future__ import annotations

import dataclasses

from widgets.panels.tradeoff import notes_text
from workbench.result import DataRef, Job, ModelRef, Result

LEDGER = {"header": 1_200, "weights": 8_800}
ROW = Result(
    job=Job(model=ModelRef(name="digits-mlp"), data=DataRef(name="digits")),
    key="k",
    details={"size_bytes": {"ledger": LEDGER, "everything": {"ratio": 4.0}, "parameters": {"ratio": 4.55}}},
)


def test_the_ledger_and_both_accounts_are_shown() -> None:
    text = notes_text(ROW)
    assert all(number in text for number in ("1,200", "8,800", "10,000", "4.0 times", "4.5 times"))


def test_a_file_that_is_as_large_as_float32_is_not_called_so_many_times_smaller() -> None:
    same = {"everything": {"ratio": 1.0}, "parameters": {"ratio": 1.01}}
    text = notes_text(dataclasses.replace(ROW, details={"size_bytes": {"ledger": LEDGER, **same}}))
    assert "10,000" in text
    assert "times" not in text


def test_rows_of_an_older_workbench_are_shown_without_a_ledger() -> None:
    for details in ({}, {"size_bytes": LEDGER}):
        assert notes_text(dataclasses.replace(ROW, details=details)) == ""
