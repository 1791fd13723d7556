"""Two real networks on real images: the comparison is that of the rows, and refuses what it cannot compare."""

from __future__ import annotations

import dataclasses

import pytest
import torch

from workbench.context import Progress
from workbench.errors import Cancelled, Refused
from workbench.forgetting import compared as module
from workbench.forgetting.compared import compared
from workbench.forgetting.parts import parts
from workbench.recipe import Recipe
from workbench.registry import techniques
from workbench.result import DataRef, Job, ModelRef
from workbench.run import compressed, prepare, run

MASK = techniques.get("magnitude")(ratio=0.8, method="mask", score="magnitude")
ORIGINAL = Job(model=ModelRef(name="digits-cnn"), data=DataRef(name="digits"))
SMALLER = dataclasses.replace(ORIGINAL, recipe=Recipe((MASK,)))


@pytest.fixture(autouse=True)
def forgotten(monkeypatch):
    monkeypatch.setattr(module, "_known", type(module._known)(limit=8))


def test_it_says_what_the_row_says():
    *_, row = run(SMALLER)
    found = compared(ORIGINAL, SMALLER)
    for name, estimate in found.right.estimates.items():
        assert estimate.value == pytest.approx(row.estimates[name].value)
    assert found.right.estimates["accuracy"] == row.estimates["accuracy"]
    change = row.estimates["change"]
    assert (found.change.value, found.change.low, found.change.high) == pytest.approx(
        (change.value, change.low, change.high)
    )
    classes = row.details["accuracy"]["classes"]
    assert found.classes == parts(classes)
    assert found.images == 600
    assert sum(part.images for part in found.classes) == 600
    assert {group.kind for group in found.groups} == {"brightness", "contrast", "ink"}


def test_how_sure_it_is_is_the_probability_of_its_answer():
    found = compared(ORIGINAL, SMALLER)
    test = prepare(SMALLER).test
    with torch.no_grad():
        scores = compressed(SMALLER)(test.inputs(torch.arange(600))).softmax(1)
    assert found.calibration.after.confidence.value == pytest.approx(float(scores.max(1).values.mean()), abs=1e-5)
    for flip in found.flips.shown:
        assert flip.now == int(scores[flip.index].argmax())
        assert flip.now_confidence == pytest.approx(float(scores[flip.index].max()), abs=1e-4)
        assert (flip.label == flip.was) != (flip.label == flip.now)


def test_the_famous_loss_raises_alarms_and_a_gentle_recipe_does_not():
    kinds = [alarm.kind for alarm in compared(ORIGINAL, SMALLER).alarms]
    assert "class" in kinds
    gentle = dataclasses.replace(ORIGINAL, recipe=Recipe((techniques.get("weight_bits")(bits=8),)))
    found = compared(ORIGINAL, gentle)
    assert found.alarms == ()
    assert len(found.detectable) == 4


def test_two_networks_of_the_zoo_and_both_directions():
    mlp = dataclasses.replace(ORIGINAL, model=ModelRef(name="digits-mlp"))
    there, back = compared(ORIGINAL, mlp), compared(mlp, ORIGINAL)
    assert there.change.value == -back.change.value
    assert there.flips.lost == back.flips.gained
    assert there.calibration.before.error.value == back.calibration.after.error.value


def test_it_is_counted_once_and_tells_how_far_it_is():
    news: list[Progress] = []
    found = compared(ORIGINAL, SMALLER, report=news.append)
    fractions = [each.fraction for each in news]
    assert fractions == sorted(fractions)
    assert 0 <= fractions[0] <= fractions[-1] <= 1
    assert compared(ORIGINAL, SMALLER) is found


def test_it_stops_when_told_to():
    def stop(news: Progress) -> None:
        raise Cancelled

    with pytest.raises(Cancelled):
        compared(ORIGINAL, SMALLER, report=stop)
    assert compared(ORIGINAL, SMALLER).images == 600


def test_what_it_refuses():
    with pytest.raises(Refused, match="on the same data, got digits and mnist"):
        compared(ORIGINAL, dataclasses.replace(ORIGINAL, data=DataRef(name="mnist")))
    trained = dataclasses.replace(ORIGINAL, recipe=Recipe((techniques.get("finetune")(),)))
    with pytest.raises(Refused, match="train it first"):
        compared(ORIGINAL, trained)
    with pytest.raises(Refused, match="there is no model called"):
        compared(ORIGINAL, dataclasses.replace(ORIGINAL, model=ModelRef(name="gone")))
    with pytest.raises(Refused, match="a dashboard does not run"):
        compared(ORIGINAL, dataclasses.replace(ORIGINAL, model=ModelRef(name="user:a.py:b")), user_code=False)
