"""`workbench run`: what it prints, writes and saves."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import pytest

from workbench.cli.exits import Exit
from workbench.errors import Refused
from workbench.recipe import Recipe
from workbench.result import DataRef, Job, ModelRef, Status
from workbench.store import Store

DIGITS = ("digits-mlp", "--data", "digits")
PROMISED = {
    *("status", "message", "model", "data", "recipe", "accuracy", "accuracy_low", "accuracy_high", "images"),
    *("size_bytes", "parameters", "nonzeros", "macs", "peak_memory"),
}


def test_run_measures_and_prints_one_object(workbench) -> None:
    outcome = workbench("run", *DIGITS, "--prune", "0.5", "--bits", "4", "--json")
    row = outcome.json
    assert outcome.code == Exit.OK
    assert set(row) >= PROMISED
    assert row["status"] == "ok"
    assert 0 < row["accuracy_low"] < row["accuracy"] < row["accuracy_high"] < 1
    assert row["images"] == 600
    assert [step["step"] for step in row["recipe"]["steps"]] == ["magnitude", "weight_bits"]
    assert row["parameters"] == 64 * 128 + 128 + 128 * 64 + 64 + 64 * 10 + 10


def test_run_writes_the_file_whose_length_is_the_size(workbench, tmp_path: Path) -> None:
    out = tmp_path / "net.dsw"
    outcome = workbench("run", *DIGITS, "--bits", "3", "--out", str(out), "--json")
    assert outcome.json["size_bytes"] == out.stat().st_size
    assert os.listdir(tmp_path) == ["net.dsw"]


def test_run_prints_a_table_for_people(workbench) -> None:
    outcome = workbench("run", *DIGITS, "--bits", "4")
    assert outcome.code == Exit.OK
    head, *lines = outcome.out.splitlines()
    assert head.split() == ["original", "compressed"]
    accuracy = next(line for line in lines if line.startswith("Accuracy"))
    assert accuracy.count("[") == 2
    assert accuracy.endswith("measured on 600 images")
    assert next(line for line in lines if line.startswith("File size")).endswith("counted")
    whole, as_papers_count = (line for line in lines if "times smaller than float32" in line)
    assert float(whole.split()[1]) < float(as_papers_count.split()[1]) < 9


def test_run_without_steps_measures_the_original(workbench, rows) -> None:
    (job,) = (rows(), workbench("run", *DIGITS, "--json"))[0]
    assert job.recipe == Recipe()


def test_options_describe_the_job(workbench, rows) -> None:
    asked = rows()
    arguments = ["user:net.py:build", "--data", "folder:images", "--root", "here", "--test-data", "folder:other"]
    arguments += ["--checkpoint", "net.pt", "--mean", "0.5,0.25,0", "--std", "1,2,3", "--seed", "7", "--device", "cpu"]
    workbench("run", *arguments, "--json")
    assert asked == [
        Job(
            model=ModelRef(name="user:net.py:build", checkpoint="net.pt", mean=(0.5, 0.25, 0), std=(1, 2, 3)),
            data=DataRef(name="folder:images", root="here"),
            test_data=DataRef(name="folder:other", root="here"),
            seed=7,
        )
    ]


def test_numbers_that_are_none_are_bad_usage(workbench) -> None:
    assert workbench("run", *DIGITS, "--mean", "a,b").code == Exit.USAGE


@pytest.mark.parametrize(
    ("status", "code"), [(Status.OK, Exit.OK), (Status.FAILED, Exit.REFUSED), (Status.INFEASIBLE, Exit.INFEASIBLE)]
)
def test_the_exit_code_is_the_status_of_the_row(workbench, rows, status: Status, code: Exit) -> None:
    rows(status=status, message="one sentence")
    outcome = workbench("run", *DIGITS, "--json")
    assert outcome.code == code
    assert outcome.json["status"] == status
    assert outcome.err == ("" if status is Status.OK else "workbench: one sentence\n")


def test_saving_is_asked_for(workbench, home: Path) -> None:
    workbench("run", *DIGITS, "--json")
    assert not (home / "results.sqlite3").exists()
    outcome = workbench("run", *DIGITS, "--save", "--json")
    with Store(home / "results.sqlite3") as store:
        (row,) = store.query()
        assert store.packed(row.key) is not None
    assert row.key == outcome.json["key"]


def test_a_saved_row_is_not_run_again(workbench, home: Path) -> None:
    first = workbench("run", *DIGITS, "--save", "--json").json
    with Store() as store:
        row = store.get(first["key"])
        store.add(replace(row, notes=("from the store",)), b"kept bytes")
    out = home / "net.dsw"
    again = workbench("run", *DIGITS, "--save", "--json", "--out", str(out))
    assert again.json["notes"] == ["from the store"]
    assert out.read_bytes() == b"kept bytes"


def test_a_store_that_cannot_be_used_is_one_sentence(workbench, home: Path) -> None:
    home.mkdir()
    (home / "results.sqlite3").write_bytes(b"not a database at all, but long enough to look at" * 100)
    outcome = workbench("run", *DIGITS, "--save")
    assert outcome.code == Exit.REFUSED
    assert "not a readable store" in outcome.err


def test_a_result_that_could_not_be_saved_is_printed_and_the_exit_code_says_so(
    workbench, monkeypatch, tmp_path
) -> None:
    monkeypatch.setenv("WORKBENCH_HOME", str(tmp_path))  # where nothing is saved yet

    def full(*_: object) -> None:
        raise Refused("the disk is full")

    monkeypatch.setattr(Store, "add", full)
    outcome = workbench("run", *DIGITS, "--save", "--json")
    assert outcome.code == Exit.REFUSED
    assert "could not be saved" in outcome.err
    assert 0 < outcome.json["accuracy"] < 1
    assert any("the disk is full" in note for note in outcome.json["notes"])
