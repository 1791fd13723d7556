"""`workbench sweep`: what it prints while it goes, what it saves, and how it ends."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from workbench.cli.exits import Exit
from workbench.errors import Cancelled, Refused
from workbench.recipe import Recipe
from workbench.registry import techniques
from workbench.result import Status
from workbench.store import Store

DIGITS = ("digits-mlp", "--data", "digits")
GRID = ("--vary", "magnitude.ratio=0.5,0.9", "--vary", "weight_bits.bits=2:4:2")


def test_every_combination_is_a_line_and_the_front_is_told(workbench, home: Path) -> None:
    outcome = workbench("sweep", *DIGITS, *GRID)
    assert outcome.code == Exit.OK
    rows, _, front = outcome.out.partition("\n\n")
    assert len(rows.splitlines()) == 4
    assert all(" % [" in line and " bytes  weight pruning (ratio " in line for line in rows.splitlines())
    head, titles, *best = front.splitlines()
    assert head.startswith("No other of the 4 is both smaller and more accurate")
    assert titles.split() == ["Accuracy", "File", "size", "Recipe"]
    sizes = [int(line.split(" images  ")[1].split(" bytes")[0].replace(",", "")) for line in best]
    assert sizes == sorted(sizes)
    assert all("measured on 600 images" in line for line in best)
    with Store(home / "results.sqlite3") as store:
        assert len(store.query()) == 4


def test_json_is_one_object_a_line_and_nothing_is_done_twice(workbench, home: Path, monkeypatch) -> None:
    first = workbench("sweep", *DIGITS, *GRID, "--json", "--seeds", "0,1")
    rows = [json.loads(line) for line in first.out.splitlines()]
    assert [row["status"] for row in rows] == ["ok"] * 8
    assert len({row["key"] for row in rows}) == 8
    assert sorted({row["seed"] for row in rows}) == [0, 1]
    monkeypatch.setattr("workbench.executors._answering.run", lambda *_, **__: pytest.fail("it was done before"))
    again = workbench("sweep", *DIGITS, *GRID, "--json", "--seeds", "1,0")
    assert sorted(again.out.splitlines()) == sorted(first.out.splitlines())


def test_the_base_is_the_recipe_of_the_options(workbench, home: Path) -> None:
    outcome = workbench("sweep", *DIGITS, "--bits", "4", "--vary", "magnitude.ratio=0.5", "--no-save", "--json")
    (row,) = map(json.loads, outcome.out.splitlines())
    steps = (techniques.get("magnitude")(ratio=0.5), techniques.get("weight_bits")(bits=4))
    assert row["recipe"] == Recipe(steps).to_dict()
    assert not (home / "results.sqlite3").exists()


def test_a_failed_job_is_a_line_and_an_exit_code(workbench, home: Path) -> None:
    outcome = workbench("sweep", *DIGITS, "--vary", "weight_bits.layers=fc1:4,nowhere:4", "--no-save")
    assert outcome.code == Exit.REFUSED
    assert "failed: weight bits" in outcome.out
    assert "nowhere" in outcome.out
    assert "1 of 2 jobs failed" in outcome.err


def test_a_result_that_could_not_be_saved_is_told(workbench, home: Path, monkeypatch) -> None:
    def full(*_) -> None:
        raise Refused("there is no room")

    monkeypatch.setattr(Store, "add", full)
    outcome = workbench("sweep", *DIGITS, "--vary", "magnitude.ratio=0.5")
    assert outcome.code == Exit.REFUSED
    assert "1 of 1 results were measured but could not be saved" in outcome.err


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--vary", "magnitude.rate=0.5"), "magnitude has the settings"),
        (("--vary", "magnitude.ratio=0:1"), "magnitude.ratio: expected a number"),
        (("--executor", "dusk"), "did you mean 'dask'"),
        (("--executor", "inline", "--workers", "2"), "one job at a time"),
        (("--executor", "processes", "--scheduler", "tcp://a:1"), "needs no scheduler"),
        (("--workers", "-1"), "0 or more"),
    ],
)
def test_what_cannot_be_done_is_refused(workbench, home: Path, options: tuple[str, ...], words: str) -> None:
    outcome = workbench("sweep", *DIGITS, *options)
    assert outcome.code == Exit.REFUSED
    assert words in outcome.err
    told = workbench("sweep", *DIGITS, *options, "--json")
    (line,) = told.out.splitlines()
    assert words in json.loads(line)["message"]


def test_seeds_are_numbers(workbench, home: Path) -> None:
    assert workbench("sweep", *DIGITS, "--seeds", "one").code == Exit.USAGE


@pytest.mark.parametrize(
    ("options", "chosen"),
    [
        ((), ("inline", 0, "")),
        (("--workers", "2"), ("processes", 2, "")),
        (("--scheduler", "tcp://a:1"), ("dask", 0, "tcp://a:1")),
        (("--executor", "dask", "--workers", "3"), ("dask", 3, "")),
    ],
)
def test_the_executor_follows_from_the_options(workbench, home: Path, monkeypatch, options, chosen) -> None:
    asked = []

    def sweep(jobs, *, executor, **_):
        asked.append((executor.name, executor.workers, executor.scheduler))
        return iter(())

    monkeypatch.setattr("workbench.sweep.sweep", sweep)
    assert workbench("sweep", *DIGITS, *options).code == Exit.OK
    assert asked == [chosen]


def test_an_interrupt_keeps_what_was_printed(workbench, home: Path, monkeypatch) -> None:
    from workbench.sweep import sweep as real

    def interrupted(*arguments, **options):
        for number, row in enumerate(real(*arguments, **options)):
            if number == 2:
                raise Cancelled
            yield row

    monkeypatch.setattr("workbench.sweep.sweep", interrupted)
    outcome = workbench("sweep", *DIGITS, *GRID)
    assert outcome.code == Exit.INTERRUPTED
    assert len(outcome.out.splitlines()) == 2
    with Store(home / "results.sqlite3") as store:
        assert {row.status for row in store.query()} == {Status.OK}
        assert len(store.query()) >= 2
