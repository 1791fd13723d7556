"""A sweep does each job once, keeps each row before it tells it, and loses nothing when it ends early."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from workbench.context import Progress, Report, ignore
from workbench.errors import Cancelled, Refused
from workbench.executing import Answer, Executor, Parcel
from workbench.executors.inline import Inline
from workbench.recipe import Recipe
from workbench.registry import techniques
from workbench.result import DataRef, Estimate, Job, ModelRef, Result, Status
from workbench.store import Store
from workbench.sweep import sweep

SWEEPER = """
import sys
from pathlib import Path
from workbench.recipe import Recipe
from workbench.registry import techniques
from workbench.result import DataRef, Job, ModelRef
from workbench.store import Store
from workbench.sweep import sweep

step = techniques.get("magnitude")
jobs = [
    Job(model=ModelRef(name="digits-mlp"), data=DataRef(name="digits"),
        recipe=Recipe((step(ratio=number / 100, method="mask", score="magnitude"),)))
    for number in range(1, int(sys.argv[2]) + 1)
]
with Store(Path(sys.argv[1])) as store:
    for row in sweep(jobs, store=store):
        print(row.key, flush=True)
"""
_HEED = "import signal; signal.signal(signal.SIGINT, signal.default_int_handler)"  # a shell may have switched it off


def pruned(*ratios: float, **changes: object) -> list[Job]:
    step = techniques.get("magnitude")
    usual: dict[str, object] = {"model": ModelRef(name="digits-mlp"), "data": DataRef(name="digits")} | changes
    return [Job(recipe=Recipe((step(ratio=r, method="mask", score="magnitude"),)), **usual) for r in ratios]


def collect(found: Iterable[Result], into: list[Result]) -> None:
    for row in found:
        into.append(row)  # noqa: PERF402  # one by one: what comes after an exception is what was told before it


@dataclass(frozen=True, kw_only=True)
class Made(Executor):
    """Answers at once with rows of its own, the last job first, and remembers what it was asked."""

    name = "made"
    title = summary = "for tests"
    has_workers = False

    def __post_init__(self) -> None:
        object.__setattr__(self, "asked", [])

    @contextmanager
    def open(self, report: Report = ignore) -> Iterator[Callable[..., Iterator[Answer]]]:
        yield self._answers

    def _answers(self, parcels: Iterable[Parcel], report: Report = ignore) -> Iterator[Answer]:
        for parcel in reversed([*parcels]):
            self.asked.append(parcel.key)
            report(Progress(0.5, "half"))
            size = {"size_bytes": Estimate.counted(7)}
            yield Answer(
                key=parcel.key, row=Result(job=parcel.job, key=parcel.key, estimates=size, final=True), packed=b"packed"
            )


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store(tmp_path / "results.sqlite3") as store:
        yield store


def test_known_rows_come_from_the_store_and_each_job_is_done_once(store: Store) -> None:
    jobs, executor = pruned(0.1, 0.2, 0.3), Made()
    (first,) = sweep(jobs[1:2], executor=executor, store=store)
    rows = list(sweep([*jobs, *jobs], executor=executor, store=store))
    assert rows[0] == first
    assert [row.job for row in rows] == [jobs[1], jobs[2], jobs[0]]
    assert len(executor.asked) == len(set(executor.asked)) == 3
    assert store.packed(first.key) == b"packed"
    assert [row.key for row in sweep(jobs, executor=executor, store=store)] == [store.query()[i].key for i in (2, 0, 1)]
    assert len(executor.asked) == 3


def test_a_row_is_in_the_store_before_it_is_told(store: Store) -> None:
    for row in sweep(pruned(0.1, 0.2), executor=Made(), store=store):
        assert store.get(row.key) == row


def test_what_another_sweep_finds_meanwhile_is_not_done_again(store: Store) -> None:
    jobs = pruned(0.1, 0.2, 0.3, 0.4)
    rows, others = [], []
    for row in sweep(jobs, store=store):
        rows.append(row)
        if len(rows) == 1:
            others = list(sweep(jobs, executor=(made := Made()), store=store))
    assert {row.job for row in rows} == {row.job for row in others} == set(jobs)
    assert len(rows) == len(others) == 4
    assert len(made.asked) == 3
    assert [row.estimates["size_bytes"].value == 7 for row in rows].count(True) >= 2  # the third was under way


def test_a_failure_is_told_and_not_kept(store: Store) -> None:
    good, unknown = pruned(0.1)[0], pruned(0.1, model=ModelRef(name="digits-mpl"))[0]
    nowhere = replace(good, recipe=Recipe((techniques.get("weight_bits")(layers={"nowhere": 4}),)))
    rows = {row.job: row for row in sweep([unknown, nowhere, good], store=store)}
    assert "did you mean 'digits-mlp'" in rows[unknown].message
    assert "nowhere" in rows[nowhere].message
    assert [rows[job].status for job in (unknown, nowhere, good)] == [Status.FAILED, Status.FAILED, Status.OK]
    assert [row.key for row in store.query()] == [rows[good].key]


def test_a_fault_of_one_job_does_not_end_the_sweep(monkeypatch: pytest.MonkeyPatch) -> None:
    jobs = pruned(0.1, 0.2)
    real = type(jobs[0].recipe.steps[0]).apply

    def faulty(step, model, ctx):
        if step.ratio == 0.1:
            raise MemoryError("no more")
        return real(step, model, ctx)

    monkeypatch.setattr(type(jobs[0].recipe.steps[0]), "apply", faulty)
    first, second = sweep(jobs)
    assert first.status is Status.FAILED
    assert first.message == "this is a fault of the workbench (MemoryError: no more)"
    assert second.status is Status.OK


def test_cancel_keeps_what_was_finished(store: Store) -> None:
    jobs, told = pruned(0.1, 0.2, 0.3), []

    def report(news: Progress) -> None:
        if told:
            raise Cancelled

    with pytest.raises(Cancelled):
        collect(sweep(jobs, store=store, report=report), told)
    assert len(told) == 1
    assert store.query() == told
    assert {row.job for row in sweep(jobs, store=store)} == set(jobs)
    assert store.query()[:1] == told


def test_progress_is_of_the_whole_sweep(store: Store) -> None:
    heard: list[Progress] = []
    list(sweep(pruned(0.1, 0.2), executor=Made(), store=store, report=heard.append))
    assert [news.fraction for news in heard if "jobs done" in news.message] == [0.25, 0.75]
    assert heard[-1].message.startswith("1 of 2 jobs done, about ")
    assert heard[-1].message.endswith("left, half")


def test_a_full_disk_loses_no_row(store: Store) -> None:
    store._connection.execute("PRAGMA max_page_count = 8")
    rows = list(sweep(pruned(*(number / 100 for number in range(1, 30))), executor=Made(), store=store))
    unsaved = [row for row in rows if row.notes]
    assert len(rows) == 29
    assert unsaved
    assert all("this result was not saved: there is no room" in row.notes[0] for row in unsaved)
    assert {row.key for row in store.query()} == {row.key for row in rows if not row.notes}


def test_a_store_that_turns_read_only_loses_no_row(store: Store) -> None:
    rows = []
    for row in sweep(pruned(0.1, 0.2), store=store):
        rows.append(row)
        store._connection.execute("PRAGMA query_only = 1")
    assert rows[0].notes == ()
    assert "this result was not saved" in rows[1].notes[-1]
    assert rows[1].status is Status.OK


def test_a_store_of_a_newer_version_is_refused_before_anything_is_done(tmp_path: Path) -> None:
    path = tmp_path / "newer.sqlite3"
    Store(path).close()
    with sqlite3.connect(path) as connection:
        connection.execute("PRAGMA user_version = 99")
    connection.close()
    with pytest.raises(Refused, match="has version 99"):
        Store(path)


def test_two_sweeps_share_a_store_and_a_killed_one_is_continued(tmp_path: Path) -> None:
    path, count = tmp_path / "shared.sqlite3", 24
    command = [sys.executable, "-c", SWEEPER, str(path), str(count)]
    killed, other = (subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(2))
    assert killed.stdout is not None
    first = [killed.stdout.readline().strip() for _ in range(3)]
    killed.send_signal(signal.SIGKILL)
    killed.communicate(timeout=60)
    keys = other.communicate(timeout=120)[0].split()
    assert other.returncode == 0
    assert len(keys) == len(set(keys)) == count
    with Store(path) as store:
        before = store.query()
        assert {row.key for row in before} == set(keys) > set(first)
        jobs = [row.job for row in before]
        assert len(list(sweep(jobs, executor=(made := Made()), store=store))) == count
        assert made.asked == []


@pytest.mark.skipif(not hasattr(os, "getppid"), reason="signals of this system differ")
def test_ctrl_c_keeps_what_was_finished(tmp_path: Path) -> None:
    path = tmp_path / "store.sqlite3"
    process = subprocess.Popen(
        [sys.executable, "-c", f"{_HEED}{SWEEPER}", str(path), "60"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    first = [process.stdout.readline().strip() for _ in range(2)]
    process.send_signal(signal.SIGINT)
    rest, error = process.communicate(timeout=60)
    assert "KeyboardInterrupt" in error
    with Store(path) as store:
        kept = {row.key for row in store.query()}
    assert kept >= {*first, *rest.split()}
    assert len(kept) < 60


def test_code_of_a_file_is_not_run_where_that_is_not_allowed(tmp_path: Path) -> None:
    file = tmp_path / "net.py"
    file.write_text("raise SystemExit('it ran')")
    (job,) = pruned(0.1, model=ModelRef(name=f"user:{file}:build"))
    (row,) = sweep([job], user_code=False, executor=Inline())
    assert row.status is Status.FAILED
    assert "a dashboard does not run" in row.message
