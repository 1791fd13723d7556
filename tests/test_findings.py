"""The published facts that lessons find again: where one does not come out any more, its lesson has to say so."""

from __future__ import annotations

import pytest
import torch

from widgets.exercises import lesson_file
from workbench.recipe import Recipe
from workbench.registry import techniques
from workbench.result import DataRef, Estimate, Job, ModelRef
from workbench.run import compressed, prepare, run

PRUNE, BATCHNORM, BITS, DISTILL = map(techniques.get, ("magnitude", "batchnorm", "weight_bits", "distill"))
MASK = PRUNE(ratio=0.8, method="mask", score="magnitude")


def job(*steps, model="digits-cnn", seed=0):
    return Job(model=ModelRef(name=model), data=DataRef(name="digits"), recipe=Recipe(steps), seed=seed)


def accuracy(*steps, **options) -> Estimate:
    *_, row = run(job(*steps, **options))
    return row.estimates["accuracy"]


def test_new_statistics_rescue_a_pruned_network() -> None:
    assert accuracy(MASK, BATCHNORM()).low > accuracy(MASK).high + 0.1


def test_random_pruning_is_far_behind_and_no_statistics_rescue_it() -> None:
    by_chance = PRUNE(ratio=0.8, method="mask", score="random")
    assert accuracy(by_chance).high < accuracy(MASK).low
    assert accuracy(by_chance, BATCHNORM()).high < 0.3


def test_a_hot_teacher_is_worse_than_a_moderate_one_and_no_better_than_none() -> None:
    student = BITS(bits=1, method="nearest", correct=False)
    mean = {}
    for title, settings in {"none": {"alpha": 0.0}, "4": {"temperature": 4}, "20": {"temperature": 20}}.items():
        arms = [accuracy(student, DISTILL(epochs=1, **settings), model="digits-mlp", seed=seed) for seed in range(3)]
        mean[title] = sum(arm.value for arm in arms) / 3
    assert mean["20"] < mean["4"] - 0.05
    assert mean["20"] < mean["none"] + 0.01


def test_one_class_falls_much_further_than_the_mean() -> None:
    test = prepare(job()).test
    with torch.no_grad():
        before, after = (compressed(job(*s))(test.inputs(torch.arange(len(test)))) for s in ((), (MASK,)))
    fallen = torch.stack([(x.argmax(1) == test.labels).float() for x in (before, after)])
    by_digit = torch.stack([fallen[:, test.labels == digit].mean(1) for digit in range(10)])
    drop = by_digit[:, 0] - by_digit[:, 1]
    assert drop.max() > 2 * drop.mean()
    assert int(drop.argmax()) == lesson_file("08-what-it-forgot").exercises["worst"].answer


@pytest.mark.parametrize("bits", [2, 3])
def test_nearest_is_not_best(bits: int) -> None:
    nearest, descent = ({"method": "nearest", "correct": False}, {"method": "descent"})
    of = "digits-resnet"
    assert accuracy(BITS(bits=bits, **nearest), model=of).value < accuracy(BITS(bits=bits, **descent), model=of).value
