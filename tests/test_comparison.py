"""Differences between rows, and when they may be called paired."""

from __future__ import annotations

import dataclasses
import math

import pytest

from workbench.comparison import difference
from workbench.recipe import Recipe
from workbench.registry import techniques
from workbench.result import DataRef, Estimate, Job, ModelRef, Result

PRUNED = Recipe((techniques.get("magnitude")(ratio=0.5),))


def row(value: float, low: float, high: float, recipe: Recipe = PRUNED, change: float | None = None) -> Result:
    told = {"how": "measured", "unit": "fraction", "n": 100}
    estimates = {"accuracy": Estimate(value=value, low=low, high=high, **told)}
    if change is not None:
        estimates["change"] = Estimate(value=change, low=change - 0.01, high=change + 0.02, **told)
    job = Job(model=ModelRef(name="m"), data=DataRef(name="d"), recipe=recipe)
    return Result(job=job, key=f"{value}", estimates=estimates, final=True)


ORIGINAL = row(0.9, 0.8, 0.95, Recipe())
CHANGED = row(0.8, 0.7, 0.87, change=-0.1)


def test_a_row_and_its_original_are_paired() -> None:
    found = difference(ORIGINAL, CHANGED)
    assert found.paired
    assert (found.estimate.value, found.estimate.low, found.estimate.high) == pytest.approx((-0.1, -0.11, -0.08))


def test_the_original_and_its_row_are_paired_the_other_way_round() -> None:
    found = difference(CHANGED, ORIGINAL)
    assert found.paired
    assert (found.estimate.value, found.estimate.low, found.estimate.high) == pytest.approx((0.1, 0.08, 0.11))


def test_two_rows_are_not_paired() -> None:
    found = difference(CHANGED, row(0.7, 0.6, 0.78, change=-0.2))
    assert not found.paired
    assert found.estimate.value == pytest.approx(-0.1)
    assert found.estimate.low == pytest.approx(-0.1 - math.hypot(0.1, 0.07))
    assert found.estimate.high == pytest.approx(-0.1 + math.hypot(0.08, 0.1))


def test_newcombe_by_his_own_example() -> None:
    """56 of 70 less 48 of 80, from the Wilson intervals: 0.0524 to 0.3339 (Newcombe 1998, table II, method 10)."""
    first, other = row(48 / 80, 0.4905, 0.7004), row(56 / 70, 0.6918, 0.8770)
    found = difference(first, dataclasses.replace(other, key="other"))
    assert (found.estimate.low, found.estimate.high) == pytest.approx((0.0524, 0.3339), abs=2e-4)


def test_an_original_whose_weights_were_written_anew_is_not_paired() -> None:
    assert not difference(row(0.95, 0.9, 0.99, Recipe()), CHANGED).paired


@pytest.mark.parametrize("changes", [{"model": ModelRef(name="other")}, {"seed": 1}])
def test_the_original_of_another_job_is_not_paired(changes: dict[str, object]) -> None:
    other = dataclasses.replace(ORIGINAL, job=dataclasses.replace(ORIGINAL.job, **changes))
    assert not difference(other, CHANGED).paired


def test_other_images_have_no_difference() -> None:
    for job in (
        dataclasses.replace(ORIGINAL.job, data=DataRef(name="e")),
        dataclasses.replace(ORIGINAL.job, test_data=DataRef(name="e")),
    ):
        assert difference(dataclasses.replace(ORIGINAL, job=job), CHANGED) is None
    fewer = dataclasses.replace(ORIGINAL.estimates["accuracy"], n=50)
    assert difference(dataclasses.replace(ORIGINAL, estimates={"accuracy": fewer}), CHANGED) is None
    assert difference(dataclasses.replace(ORIGINAL, estimates={}), CHANGED) is None
