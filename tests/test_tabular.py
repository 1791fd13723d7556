"""The files of the history: what a spreadsheet reads back, and what it must not run."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workbench.errors import Refused
from workbench.history import Entry, Query
from workbench.result import DataRef, Estimate, Job, ModelRef, Result
from workbench.store import Store
from workbench.tabular import exported, moment, table


def made(**changes: object) -> Entry:
    plain = {"key": "k", "model": "m", "data": "d", "recipe": "original", "accuracy": 0.875, "low": 0.75, "high": 1.0}
    plain |= {"images": 8, "size_bytes": 1234.0, "macs": None, "measured_at": 86400.0, "star": True, "note": ""}
    return Entry(**plain | {"kept": True} | changes)


def read(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text, newline="")))


def test_a_row_is_written_with_its_interval() -> None:
    assert read(table([made()])) == [
        {
            "measured (UTC)": "1970-01-02T00:00:00+00:00",
            "model": "m",
            "data": "d",
            "recipe": "original",
            "accuracy": "0.875",
            "accuracy_low": "0.75",
            "accuracy_high": "1",
            "images": "8",
            "size_bytes": "1234",
            "macs": "",
            "star": "1",
            "note": "",
            "key": "k",
        }
    ]


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t", "\r", "\n"])
@pytest.mark.parametrize("field", ["model", "data", "recipe", "note", "key"])
def test_no_text_is_a_formula(start: str, field: str) -> None:
    (row,) = read(table([made(**{field: f"{start}SUM(A1)"})]))
    assert row[field] == f"'{start}SUM(A1)"


def test_a_number_below_zero_is_a_number() -> None:
    assert read(table([made(accuracy=-0.5)]))[0]["accuracy"] == "-0.5"


@given(st.text(st.characters(exclude_categories=["Cs"]), max_size=30))
def test_any_note_comes_back(note: str) -> None:
    (row,) = read(table([made(note=note)]))
    assert row["note"].removeprefix("'") == note.removeprefix("'") or row["note"] == note
    assert not row["note"].startswith(("=", "+", "-", "@", "\t", "\r", "\n"))


def test_files_of_all_that_is_found(tmp_path: Path) -> None:
    accuracy = Estimate(value=0.5, low=0.25, high=0.75, how="measured", unit="fraction", n=4)
    with Store(tmp_path / "s") as store:
        for key, model in (("a", "é"), ("b", "net")):
            job = Job(model=ModelRef(name=model), data=DataRef(name="d"))
            store.add(Result(job=job, key=key, estimates={"accuracy": accuracy}, final=True, details={"x": [1]}))
        content = exported(store, Query(model="é"), "csv").decode("utf-8-sig")
        assert [(row["key"], row["model"]) for row in read(content)] == [("a", "é")]
        rows = json.loads(exported(store, Query(), "json"))
        assert [row["key"] for row in rows] == ["b", "a"]
        assert rows[0]["estimates"]["accuracy"]["high"] == 0.75
        assert rows[0]["details"] == {}
        with pytest.raises(Refused, match="csv or json"):
            exported(store, Query(), "xlsx")


def test_moments() -> None:
    assert [moment(None), moment(0.0), moment(86399.9)] == ["", "1970-01-01 00:00", "1970-01-01 23:59"]
