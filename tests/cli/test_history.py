"""`workbench history`: rows are found, marked and written as a table, without torch."""

from __future__ import annotations

import csv
import subprocess
import sys

import pytest

from workbench.cli.history import _ORDERS
from workbench.history import ORDERS
from workbench.recipe import Recipe
from workbench.registry import techniques
from workbench.result import DataRef, Estimate, Job, ModelRef, Result
from workbench.store import Store


def row(key, model="digits-cnn", accuracy=0.5, steps=()):
    estimate = Estimate(value=accuracy, low=accuracy - 0.1, high=accuracy + 0.1, how="measured", unit="fraction", n=600)
    job = Job(model=ModelRef(name=model), data=DataRef(name="digits"), recipe=Recipe(steps))
    size = Estimate.counted(1000, "bytes")
    return Result(job=job, key=key, estimates={"accuracy": estimate, "size_bytes": size}, final=True)


@pytest.fixture
def filled(home):
    with Store() as store:
        store.add(row("aaaa1111", accuracy=0.75))
        store.add(row("aabb2222", "digits-mlp", 0.5, (techniques.get("magnitude")(ratio=0.5),)))


def test_rows_are_listed_with_the_newest_first(workbench, filled):
    lines = workbench("history").out.splitlines()
    assert lines[0].split()[0] == "key"
    assert lines[1].split()[0] == "aabb2222"
    assert "weight pruning (ratio 50 %)" in lines[1]
    assert "75.00 % [65.00, 85.00]  1,000  original" in lines[2]
    assert lines[3] == "2 of 2 results"


def test_rows_are_filtered_sorted_and_counted(workbench, filled):
    assert [r["key"] for r in workbench("history", "--text", "PRUNING", "--json").json["rows"]] == ["aabb2222"]
    found = workbench("history", "--sort", "accuracy", "--limit", "1", "--json").json
    assert (found["total"], [r["key"] for r in found["rows"]]) == (2, ["aaaa1111"])
    assert workbench("history", "--model", "nobody").out == "0 of 0 results\n"


def test_stars_and_notes_stay(workbench, filled):
    assert workbench("history", "--star", "aaaa", "--note", "aabb", "a note").code == 0
    rows = {r["key"]: r for r in workbench("history", "--json").json["rows"]}
    assert [rows[key]["star"] for key in ("aaaa1111", "aabb2222")] == [True, False]
    assert rows["aabb2222"]["note"] == "a note"
    assert workbench("history", "--starred").out.splitlines()[1].startswith("*  aaaa1111")
    assert workbench("history", "--unstar", "aaaa", "--starred").out == "0 of 0 results\n"


@pytest.mark.parametrize(("start", "word"), [("aa", "several"), ("zz", "no result"), ("", "several")])
def test_the_beginning_of_a_key_must_name_one_row(workbench, filled, start, word):
    found = workbench("history", "--star", start)
    assert found.code == 3
    assert word in found.err


def test_a_table_is_written_of_all_that_is_found(workbench, filled, tmp_path):
    with Store() as store:
        store.set_note("aaaa1111", "=1+1")
    file = tmp_path / "rows.csv"
    workbench("history", "--limit", "1", "--csv", str(file))
    with file.open(encoding="utf-8-sig", newline="") as lines:
        rows = list(csv.DictReader(lines))
    assert [r["key"] for r in rows] == ["aabb2222", "aaaa1111"]
    assert rows[1]["note"] == "'=1+1"


def test_it_offers_the_orders_that_there_are():
    assert _ORDERS == ORDERS


def test_it_needs_no_torch(filled):
    call = "try:\n    main(['history'])\nfinally:\n    print('torch' in sys.modules)"
    code = f"import sys\nfrom workbench.cli import main\n{call}"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.stdout.splitlines()[-2:] == ["2 of 2 results", "False"]
