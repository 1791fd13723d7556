"""Automatic compression: a target in, rows and words out, whatever happens on the way."""

from __future__ import annotations

import dataclasses

import pytest

from workbench import auto
from workbench.auto import auto_compress, ending
from workbench.errors import Cancelled, Refused
from workbench.recipe import Recipe
from workbench.result import DataRef, Job, ModelRef, Status
from workbench.search.limits import Limits
from workbench.store import Store

pytestmark = pytest.mark.usefixtures("quick_search")

JOB = Job(model=ModelRef(name="digits-mlp"), data=DataRef(name="digits"))
SMALL = Limits(size_bytes=12_000)


@pytest.fixture
def store(tmp_path):
    with Store(tmp_path / "results.sqlite3") as made:
        yield made


def test_each_best_so_far_is_measured_on_test_images_and_kept(store):
    attempts = list(auto_compress(JOB, SMALL, seconds=1e6, train=False, store=store))
    found = ending(attempts, SMALL)
    assert found.status is Status.OK
    best = [each for each in attempts if each.best]
    assert best
    for each in best:
        assert each.row.estimates["accuracy"].n == 600
        assert each.row.estimates["size_bytes"].value == each.contender.costs["size_bytes"] <= 12_000
        assert store.get(each.row.key).job.recipe == each.contender.recipe
    assert found.best is best[-1]
    assert found.sentences[0] == f"Chosen: {best[-1].contender.recipe}."
    assert any("uniform" in sentence.lower() for sentence in found.sentences)
    assert not any(each.contender.recipe.trains for each in attempts)


def test_a_stop_keeps_the_best_so_far(store):
    attempts = []

    def report(_):
        if any(each.best for each in attempts):
            raise Cancelled

    with pytest.raises(Cancelled):
        attempts.extend(auto_compress(JOB, SMALL, seconds=1e6, report=report, store=store))
    found = ending(attempts, SMALL, stopped=True)
    assert found.best is not None
    assert store.get(found.best.row.key) is not None
    assert found.sentences[0].startswith("Stopped before the end")


def test_time_that_is_up_ends_it_without_a_fault(store):
    assert list(auto_compress(JOB, SMALL, seconds=1e-6, store=store)) == []


def test_what_cannot_be_is_said_with_the_smallest_that_was_found(store):
    limits = Limits(size_bytes=300)
    attempts = list(auto_compress(JOB, limits, seconds=1e6, train=False, store=store))
    found = ending(attempts, limits)
    assert found.status is Status.INFEASIBLE
    assert "Nothing that was tried keeps to a file of at most 300 bytes" in found.sentences[0]
    assert f"takes {attempts[-1].contender.costs['size_bytes']:,.0f} bytes" in found.sentences[1]
    assert "The one attempt takes" in ending(attempts[:1], limits).sentences[1]
    assert "The smallest file among 2 attempts takes" in ending(2 * attempts[:1], limits).sentences[1]
    assert found.best is None


def test_training_is_judged_against_its_control_and_against_none(store, monkeypatch):
    monkeypatch.setattr(auto, "_LOSS", -1.0)  # whatever was lost, it is worth a training
    limits = Limits(size_bytes=3600)
    attempts = list(auto_compress(JOB, limits, seconds=1e6, store=store))
    trained = [each.contender for each in attempts if each.contender.recipe.trains]
    assert [each.recipe.is_control for each in trained] == [False, True]
    best = next(each for each in reversed(attempts) if each.best)
    drops = [each.contender.trial.judgement.drop.value for each in attempts if each.contender.keeps]
    assert best.contender.trial.judgement.drop.value == min(drops)


def test_accuracy_as_the_limit_gives_ever_smaller_files(store):
    limits = Limits(drop=0.02)
    attempts = list(auto_compress(JOB, limits, seconds=1e6, train=False, store=store))
    sizes = [each.contender.costs["size_bytes"] for each in attempts if each.best]
    assert sizes == sorted(sizes, reverse=True)
    assert all(each.contender.trial.judgement.drop.value <= 0.02 for each in attempts if each.best)


def test_the_recipe_of_the_job_is_not_looked_at(store):
    from workbench.registry import techniques

    job = dataclasses.replace(JOB, recipe=Recipe((techniques.get("weight_bits")(bits=1),)))
    first = next(auto_compress(job, SMALL, seconds=1e6, train=False, store=store))
    assert first.contender.trial.judgement.drop.value < 0.05


def test_no_time_is_refused():
    with pytest.raises(Refused, match="above zero seconds"):
        next(auto_compress(JOB, SMALL, seconds=0))
