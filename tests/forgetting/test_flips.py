"""Flips and confusions on a handful of answers, counted by hand."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from sklearn.metrics import confusion_matrix

from workbench.forgetting.flips import SHOWN, confusions, flips
from workbench.measure._intervals import paired, quantile

LABELS = [0, 0, 0, 1, 1, 2]
LEFT = [0, 0, 1, 1, 2, 1]
RIGHT = [0, 1, 0, 2, 2, 0]


def test_each_image_is_lost_gained_another_or_as_before(say, generator):
    left = say(LABELS, LEFT, [0.9, 0.8, 0.7, 0.6, 0.5, 0.4])
    right = say(LABELS, RIGHT, [0.1, 0.2, 0.3, 0.4, 0.5, 0.6])
    found = flips(left, right, generator)
    assert [found.lost.value, found.gained.value, found.other.value, found.changed.value] == [
        2 / 6,
        1 / 6,
        1 / 6,
        4 / 6,
    ]
    assert sorted(flip.index for flip in found.lost_images) == [1, 3]
    (gained,) = found.gained_images
    assert (gained.index, gained.label, gained.was, gained.now) == (2, 0, 1, 0)
    assert (gained.was_confidence, gained.now_confidence) == pytest.approx((0.7, 0.3))
    assert found.shown == (*found.lost_images, gained)


def test_of_many_some_are_shown(say, generator):
    found = flips(say([0] * 50, [0] * 50), say([0] * 50, [1] * 50), generator)
    assert len(found.lost_images) == SHOWN
    assert [flip.index for flip in found.lost_images] != [*range(SHOWN)]


def test_confusions_that_grew(say):
    found = confusions(say(LABELS, LEFT), say(LABELS, RIGHT), ("cat", "dog", "owl"))
    rows = {(each.label, each.answer): (each.before, each.after, each.images) for each in found}
    assert rows == {("dog", "owl"): (1, 2, 2), ("owl", "cat"): (0, 1, 1)}
    one = next(each for each in found if each.label == "dog")
    assert one.growth.value == 0.5
    assert (one.growth.low, one.growth.high) == paired(0.5, 0.0, 2, quantile(6))


def test_confusions_are_those_of_scikit_learn(say):
    draw = np.random.default_rng(3)
    labels, left, right = (draw.integers(0, 4, 500) for _ in range(3))
    growth = confusion_matrix(labels, right) - confusion_matrix(labels, left)
    np.fill_diagonal(growth, 0)
    found = confusions(say(labels, left), say(labels, right), tuple("abcd"))
    assert [each.after - each.before for each in found] == sorted(growth[growth > 0].tolist(), reverse=True)[:8]
    for each in found:
        row, column = "abcd".index(each.label), "abcd".index(each.answer)
        assert each.after - each.before == growth[row, column]
        assert round(each.growth.value * each.images) == growth[row, column]


def test_nothing_changed(say, generator):
    same = say(LABELS, LEFT)
    found = flips(same, same, generator)
    assert (found.changed.value, found.shown) == (0, ())
    assert confusions(same, same, ("a", "b", "c")) == ()
    assert torch.equal(same.answer, torch.tensor(LEFT))
