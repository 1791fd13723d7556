"""Rows for sliders: provisional ones at once, what was asked a little later, and positions solved ahead."""

from __future__ import annotations

import dataclasses

import pytest

from workbench import registry
from workbench.ahead import prepare_ahead, recipes_ahead
from workbench.context import Progress
from workbench.errors import Cancelled, Refused
from workbench.recipe import Recipe
from workbench.result import DataRef, Job, ModelRef, Result
from workbench.run import contest, prepare, run
from workbench.techniques.finetune import Finetune
from workbench.techniques.magnitude import Magnitude
from workbench.techniques.weight_bits import WeightBits

BASE = Job(model=ModelRef(name="digits-mlp"), data=DataRef(name="digits"))
PRUNE = Magnitude(ratio=0.8, score="magnitude")


def asked(*steps: object, seed: int = 0) -> Job:
    return dataclasses.replace(BASE, recipe=Recipe(steps), seed=seed)  # type: ignore[arg-type]


def test_a_provisional_row_comes_first_and_the_exact_ones_are_those_of_a_patient_run() -> None:
    job = asked(PRUNE, seed=11)
    rows = list(run(job, quick=True))
    assert rows[0].provisional == ("weight pruning by the simple method",)
    assert not rows[0].final
    assert rows[0].estimates["accuracy"].n is not None
    exact = [row for row in rows if not row.provisional]
    assert [row.final for row in exact] == [*[False] * (len(exact) - 1), True]
    assert rows.index(exact[0]) == 1
    *_, patient = run(job)
    assert exact[-1].estimates == patient.estimates
    assert Result.from_dict(rows[0].to_dict()) == rows[0]


def test_what_is_prepared_is_not_provisional() -> None:
    job = asked(PRUNE, seed=12)
    list(run(job))
    assert not any(row.provisional for row in run(job, quick=True))


def test_an_open_method_is_told_until_the_contest_is_over() -> None:
    rows = list(run(asked(WeightBits(bits=3), seed=13), quick=True))
    told = [row.provisional for row in rows if row.provisional]
    assert told == [
        (
            "weight bits by its usual method, before the contest on validation images",
            "weight bits by the simple method",
        ),
        ("weight bits by its usual method, before the contest on validation images",),
    ]


def test_positions_are_solved_ahead_and_then_answer_at_once() -> None:
    job = asked(PRUNE, seed=14)
    steps = list(prepare_ahead(job))
    assert [step.done for step in steps] == list(range(len(Magnitude.positions) + 1))
    assert steps[-1].of == len(Magnitude.positions)
    assert steps[-1].trace_bytes > steps[0].trace_bytes
    for ratio in (0.5, 0.9):
        assert not next(run(asked(dataclasses.replace(PRUNE, ratio=ratio), seed=14), quick=True)).provisional


def test_the_nearest_positions_come_first_one_step_moved_at_a_time() -> None:
    recipes = recipes_ahead(Recipe((PRUNE, WeightBits(bits=4, method="descent"), Finetune())))
    assert recipes[0] == Recipe((PRUNE, WeightBits(bits=4, method="descent")))
    assert recipes[1] == recipes[0]
    assert sorted(recipe.steps[0].ratio for recipe in recipes[2:6:2]) == [0.75, 0.85]  # type: ignore[attr-defined]
    assert len(recipes) == len(Magnitude.positions) + len(WeightBits.positions)
    assert all(len(recipe.steps) == 1 for recipe in recipes_ahead(Recipe()))


def test_preparing_stops_when_memory_is_used_up(monkeypatch: pytest.MonkeyPatch) -> None:
    job = asked(PRUNE, seed=15)
    traces = prepare(job).context.traces
    monkeypatch.setattr(traces, "limit", 100_000)  # a few of a network whose weights take 68,904 bytes
    steps = list(prepare_ahead(job))
    assert 2 < len(steps) < len(Magnitude.positions)
    assert traces.weight <= 100_000


def test_preparing_stops_when_told() -> None:
    def stop(news: Progress) -> None:
        if "solving" in news.message:
            raise Cancelled

    with pytest.raises(Cancelled):
        list(prepare_ahead(asked(PRUNE, seed=16), report=stop))


def test_a_contest_of_all_methods() -> None:
    entries = list(contest(asked(WeightBits(bits=3)), 0))
    assert {entry.step.method for entry in entries} >= {"descent", "gptq", "nearest", "kmeans"}  # type: ignore[attr-defined]
    assert len({entry.step for entry in entries}) == len(entries)
    with pytest.raises(Refused, match="^a contest needs a step with several methods"):
        list(contest(asked(Finetune()), 0))
    with pytest.raises(Refused, match="^a contest needs a step with several methods"):
        list(contest(BASE, 0))


def test_quick_answers_that_differ_never_share_what_later_steps_keep() -> None:
    """The simple method may give another network once more is prepared: its weights name it, not its sentence."""
    steps = (registry.techniques.get("channels")(ratio=0.3), registry.techniques.get("equalize")(), PRUNE)
    job = dataclasses.replace(asked(*steps, seed=17), model=ModelRef(name="digits-cnn"))
    first = next(run(job, quick=True))
    assert first.provisional
    list(run(dataclasses.replace(job, recipe=Recipe((dataclasses.replace(steps[0], ratio=0.6),)))))  # finds the order
    again = next(run(job, quick=True))
    assert again.status == first.status, again.message
