"""What a recipe costs in accuracy, on images with known answers."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from workbench.measure._intervals import paired
from workbench.measure.change import Change
from workbench.result import Estimate


class Misses(nn.Module):
    """Reads the label from the first pixel, and is wrong on some labels."""

    def __init__(self, *labels: int) -> None:
        super().__init__()
        self.labels = labels

    def forward(self, x: Tensor) -> Tensor:
        label = (x[:, 0, 0, 0] * 255 / 25).round().long()
        scores = nn.functional.one_hot(label, 10).float()
        for missed in self.labels:
            scores[label == missed] *= -1
        return scores


def test_the_original_differs_by_exactly_nothing(subject) -> None:
    (reading,) = Change().read(subject(Misses(1)))
    assert reading.estimate == Estimate.counted(0.0, "fraction")
    assert reading.final


@pytest.mark.parametrize("known", [False, True])
def test_gains_and_losses_are_counted_on_the_same_images(subject, known: bool) -> None:
    original = subject(Misses(1, 2))
    if known:
        *_, before = Change().read(subject(Misses(1, 2), original=original))
        assert before.estimate.value == 0.0
    compressed = subject(Misses(2, 3, 4), original=original)
    *_, reading = Change().read(compressed)
    counts = torch.bincount(compressed.test.labels, minlength=10).tolist()
    gained, lost = counts[1], counts[3] + counts[4]
    low, high = paired(gained / 700, lost / 700, 700)
    assert reading.estimate == Estimate(
        value=(gained - lost) / 700, low=low, high=high, how="measured", unit="fraction", n=700
    )
    assert reading.details["whole_set"] == [(gained - lost) / 700] * 2


def test_it_is_much_surer_than_two_accuracies(subject) -> None:
    # one class in ten flips for the worse: 0.1 * 0.9 / 700 is the variance of the difference; that of each accuracy
    # is about as much, and a difference of two that are not paired would add a second one
    *_, reading = Change().read(subject(Misses(1, 2), original=subject(Misses(1))))
    lost = -reading.estimate.value
    assert reading.estimate.high - reading.estimate.low == pytest.approx(
        2 * 1.96 * (lost * (1 - lost) / 700) ** 0.5, rel=0.05
    )
