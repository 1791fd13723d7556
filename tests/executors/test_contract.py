"""Every executor gives the rows that `run` gives, each once, and a job that fails is a row."""

from __future__ import annotations

import dataclasses
import random
from collections.abc import Callable, Iterable
from typing import Annotated

import pytest

from workbench.context import Progress
from workbench.errors import Cancelled, Refused
from workbench.executing import Executor, Parcel, difference, engine
from workbench.executors._answering import parcelled
from workbench.recipe import Range, Recipe, Step
from workbench.registry import executors, techniques
from workbench.result import Job, ModelRef, Result, Status
from workbench.run import packed_file, prepare, run
from workbench.sweep import sweep

ALL = [
    pytest.param(name, marks=[pytest.mark.slow] if name == "dask" else []) for name in ("inline", "processes", "dask")
]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Homemade(Step):
    """A step as a notebook cell would define it."""

    name = "homemade"
    title = "Homemade"
    summary = paper = hurts_when = ""
    order = 1

    amount: Annotated[float, Range(0, 1, 0.1)] = 0.5

    def apply(self, model, ctx):
        return model


def make(name: str) -> Executor:
    cls = executors.get(name)
    return cls(workers=2) if cls.has_workers else cls()


def collect(found: Iterable[Result], into: list[Result]) -> None:
    for row in found:
        into.append(row)  # noqa: PERF402  # one by one: what comes after an exception is what was told before it


def numbers(row: Result) -> tuple[object, ...]:
    return row.key, row.status, row.message, row.estimates, row.notes, row.details, row.job


def test_all_are_here() -> None:
    assert set(executors.names()) == {param.values[0] for param in ALL}


@pytest.mark.parametrize("name", executors.names())
def test_it_says_what_it_is(name: str) -> None:
    cls = executors.get(name)
    assert cls.title
    assert cls.summary
    assert cls.__doc__


@pytest.mark.parametrize("name", ALL)
def test_rows_and_files_are_those_of_run_in_any_order_and_failures_are_rows(
    name: str, make_jobs: Callable[..., list[Job]]
) -> None:
    good = make_jobs()
    broken = dataclasses.replace(good[0], recipe=Recipe((techniques.get("weight_bits")(layers={"nowhere": 4}),)))
    jobs = [*good, broken, *make_jobs((0.5,), "digits-cnn", seed=3)]
    random.Random(0).shuffle(jobs)
    parcels = [parcelled(job, prepare(job)) for job in jobs]
    with make(name).open() as crew:
        answers = list(crew(parcels))
    expected = {}
    for job in jobs:
        *_, row = run(job)
        expected[row.key] = row
    assert sorted(answer.key for answer in answers) == sorted(expected)
    for answer in answers:
        row = expected[answer.key]
        assert numbers(dataclasses.replace(answer.row, job=row.job)) == numbers(row)
        if row.status is Status.OK:
            assert answer.packed == packed_file(row.job)
            assert len(answer.packed) == row.estimates["size_bytes"].value
        else:
            assert answer.packed == b""
    assert [answer.row.status for answer in answers].count(Status.FAILED) == 1


@pytest.mark.parametrize("name", ALL)
def test_cancel_stops_and_keeps_what_was_finished(name: str, make_jobs: Callable[..., list[Job]]) -> None:
    jobs, rows = make_jobs([number / 100 for number in range(1, 60)]), []

    def report(_: Progress) -> None:
        if rows:
            raise Cancelled

    with pytest.raises(Cancelled):
        collect(sweep(jobs, executor=make(name), report=report), rows)
    assert 1 <= len(rows) < len(jobs)
    assert all(row.status is Status.OK for row in rows)


@pytest.mark.parametrize("name", ALL)
def test_what_a_parcel_was_made_of_must_be_there(name: str, make_jobs: Callable[..., list[Job]]) -> None:
    (job,) = make_jobs((0.5,))
    parcel = parcelled(job, prepare(job))
    other = ("0" * 64, *parcel.digests[1:3], "1" * 64)
    with make(name).open() as crew:
        (answer,) = crew([Parcel(job=job, key="k", digests=other)])
    assert answer.key == "k"
    assert answer.row.status is Status.FAILED
    assert "the weights and the test images differ" in answer.row.message
    assert "begin the sweep again" in answer.row.message


@pytest.mark.parametrize("name", [name for name in executors.names() if executors.get(name).has_workers])
def test_a_step_of_a_notebook_is_refused_before_anything_begins(name: str, make_jobs: Callable[..., list[Job]]) -> None:
    (job,) = make_jobs((0.5,))
    homemade = dataclasses.replace(job, recipe=Recipe((*job.recipe.steps, Homemade())))
    with pytest.raises(Refused, match=r"'homemade'.*workbench/techniques, or use the executor inline"):
        next(sweep([job, homemade], executor=make(name)))


def test_a_step_of_a_notebook_is_done_inline(make_jobs: Callable[..., list[Job]]) -> None:
    (job,) = make_jobs((0.5,))
    (row,) = sweep([dataclasses.replace(job, recipe=Recipe((Homemade(),)))])
    assert row.status is Status.OK


@pytest.mark.parametrize(
    ("name", "options", "words"),
    [
        ("inline", {"workers": 2}, "one job at a time"),
        ("inline", {"scheduler": "tcp://a:1"}, "needs no scheduler"),
        ("processes", {"workers": -1}, "0 or more"),
        ("processes", {"scheduler": "tcp://a:1"}, "needs no scheduler"),
        ("dask", {"scheduler": "tcp://a:1", "workers": 2}, "workers of its own"),
    ],
)
def test_options_that_do_not_fit_are_refused(name: str, options: dict[str, object], words: str) -> None:
    with pytest.raises(Refused, match=words):
        executors.get(name)(**options)


def test_code_from_a_file_stays_on_this_machine(make_jobs: Callable[..., list[Job]]) -> None:
    (job,) = make_jobs((0.5,))
    job = dataclasses.replace(job, model=ModelRef(name="user:net.py:build"))
    with pytest.raises(Refused, match=r"not sent to other machines: use the executor inline or processes"):
        next(sweep([job], executor=executors.get("dask")(scheduler="tcp://127.0.0.1:1")))


def test_a_difference_says_both_versions() -> None:
    here = engine()
    assert difference(here, dict(here), "w") == ""
    other = difference(here, here | {"version": "9.9"}, "the worker w")
    assert "the worker w has workbench 9.9" in other
    assert f"here is {here['version']}" in other
    same = difference(here, here | {"sources": "abc"}, "the worker w")
    assert "other source files (abc there" in same
