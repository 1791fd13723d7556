"""Each alarm where it should come and where it should not, and what could have been found."""

from __future__ import annotations

import dataclasses
import math

import pytest
import torch

from workbench.forgetting import alarms
from workbench.forgetting.calibration import calibrations
from workbench.forgetting.flips import flips
from workbench.forgetting.parts import changed, parts
from workbench.measure._intervals import quantile

NAMES = [*"abcdefghij"]


def columns(lost, images=60):
    lost = [*lost, *[0] * (10 - len(lost))]
    was = [images] * 10
    right = [images - count for count in lost]
    return {"names": NAMES, "images": was, "was": was, "right": right, "lost": lost, "gained": [0] * 10}


def test_a_class_that_falls_alone_and_one_that_falls_with_all():
    (alarm,) = alarms.parts_that_fall(parts(columns([25])), "class")
    assert (
        "Class a falls from 100.0 % to 58.3 % right: −41.7 points, while all other images change by +0.0"
        in alarm.sentence
    )
    assert alarms.parts_that_fall(parts(columns([25] * 10)), "class") == ()
    assert alarms.parts_that_fall(parts(columns([3])), "class") == ()


def test_what_is_said_to_raise_an_alarm_raises_one(say, generator):
    same = say([0, 1] * 50, [0, 1] * 50)
    calm = calibrations((same.confidence, same.confidence), (same.right, same.right), generator)
    churn = alarms.churn(same, same, generator)
    classes = parts(columns([]))
    (sentence, *others) = alarms.detectable(classes, (), calm, churn)
    needed = int(sentence.partition("an alarm comes from ")[2].partition(" ")[0])
    assert alarms.parts_that_fall(parts(columns([needed])), "class")
    assert not alarms.parts_that_fall(parts(columns([needed - 1])), "class")
    assert others == [
        "Being too sure: from about 1 point more than before and 1 point in all on.",
        "Silent change: from about 5.0 % of the images beyond the change of the accuracy on.",  # of 100
    ]


def test_too_few_images_are_said_to_be_too_few(say, generator):
    same = say([0, 1], [0, 1])
    calm = calibrations((same.confidence, same.confidence), (same.right, same.right), generator)
    sentence = alarms.detectable(parts(columns([], images=2)), (), calm, alarms.churn(same, same, generator))[0]
    assert "too few images" in sentence


def test_the_power_is_that_of_the_binomial():
    assert alarms._at_least(1, 3, 0.5) == pytest.approx(7 / 8)
    assert alarms._at_least(2, 3, 0.2) == pytest.approx(3 * 0.04 * 0.8 + 0.008)
    true = alarms._found_in_most(10, 60)
    assert sum(math.comb(60, k) * true**k * (1 - true) ** (60 - k) for k in range(10, 61)) == pytest.approx(0.8)


def test_a_network_that_became_too_sure(generator):
    right = torch.tensor([True] * 180 + [False] * 20)
    calm, bold, shy = torch.full((200,), 0.9), torch.full((200,), 0.99), torch.full((200,), 0.5)
    (alarm,) = alarms.overconfident(calibrations((calm, bold), (right, right), generator))
    assert "99.0 % sure in the mean and right on 90.0 %" in alarm.sentence
    for before, after in ((calm, calm), (bold, calm), (bold, bold), (shy, calm)):  # from too shy to right is no harm
        assert alarms.overconfident(calibrations((before, after), (right, right), generator)) == ()


def churned(say, generator, lost, gained, n=1000):
    labels = [0] * n
    left = [1] * gained + [0] * (n - gained)
    right = [0] * gained + [1] * lost + [0] * (n - gained - lost)
    one, other = say(labels, left), say(labels, right)
    change = changed(lost, gained, n, quantile(1))
    return alarms.silent(flips(one, other, generator), alarms.churn(one, other, generator), change)


def test_silent_change(say, generator):
    (alarm,) = churned(say, generator, 52, 48)
    assert "the accuracy changes by −0.4 points, but 10.0 % of the images get another answer" in alarm.sentence
    assert "does not see 9.6 % of the images change" in alarm.sentence
    assert churned(say, generator, 400, 0) == ()  # the accuracy tells
    assert churned(say, generator, 8, 8) == ()  # too few to be sure
    assert churned(say, generator, 0, 0) == ()
    assert churned(say, generator, 300, 40) == ()  # much changed, and the accuracy says so


def test_what_is_hidden_by_hand(say, generator):
    labels = [0] * 10
    left, right = say(labels, [0] * 8 + [1, 1]), say(labels, [0] * 5 + [1] * 3 + [0, 2])
    found = alarms.churn(left, right, generator)  # 3 lost, 1 gained, 1 wrong otherwise
    assert found.share.value == pytest.approx(0.5 - 0.2)
    assert found.beyond.value == pytest.approx(0.5 - 2 * 0.2)


def test_a_class_that_is_never_answered_any_more(say):
    labels = [0] * 50 + [1] * 50
    (alarm,) = alarms.never_said(say(labels, labels), say(labels, [0] * 100), ["cat", "dog"])
    assert "Class dog is never answered any more" in alarm.sentence
    assert "50 of 100 images" in alarm.sentence
    assert alarms.never_said(say(labels, [0] * 99 + [1]), say(labels, [0] * 100), ["cat", "dog"]) == ()  # may be chance
    assert alarms.never_said(say(labels, labels), say(labels, [0] * 99 + [1]), ["cat", "dog"]) == ()
    wrong = [0] * 50 + [2] * 50
    assert alarms.never_said(say(labels, wrong), say(labels, labels), ["cat", "dog", "owl"]) == ()  # an improvement


def test_scores_that_are_no_numbers(say):
    fine = say([0, 1], [0, 1])
    assert alarms.broken(fine) == ()
    fine.broken[1] = True
    assert "broken on 1 of 2 images" in alarms.broken(fine)[0].sentence


def test_alarms_are_values():
    with pytest.raises(dataclasses.FrozenInstanceError):
        alarms.Alarm(kind="a", sentence="b", line="c").kind = "d"
