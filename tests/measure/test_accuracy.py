from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from workbench.context import Progress
from workbench.errors import Cancelled, Refused
from workbench.measure.accuracy import Accuracy


class Reads(nn.Module):
    """Reads the label from the first pixel, and is wrong (or NaN) for some labels."""

    def __init__(self, wrong: int = 0, nan: bool = False) -> None:
        super().__init__()
        self.wrong, self.nan = wrong, nan

    def forward(self, x: Tensor) -> Tensor:
        label = (x[:, 0, 0, 0] * 255 / 25).round().long()
        scores = nn.functional.one_hot(label, 10).float()
        bad = label < self.wrong
        scores[bad] = torch.nan if self.nan else -scores[bad]
        return scores


def test_readings_double_until_every_image_was_seen(subject) -> None:
    readings = list(Accuracy().read(subject(Reads(wrong=3), 1797)))
    assert [reading.estimate.n for reading in readings] == [128, 256, 512, 1024, 1797]
    for reading, n in zip(readings, (128, 256, 512, 1024, 1797), strict=True):
        low, high = reading.details["whole_set"]
        assert reading.details == {"images": n, "of": 1797, "whole_set": [low, high]}
        assert reading.estimate.low <= low <= reading.estimate.value <= high <= reading.estimate.high
    assert readings[-1].details["whole_set"] == [readings[-1].estimate.value] * 2
    widths = [reading.estimate.high - reading.estimate.low for reading in readings]
    assert widths == sorted(widths, reverse=True)
    labels = subject(Reads(), 1797).test.labels
    assert readings[-1].estimate.value == pytest.approx(float((labels >= 3).double().mean()), abs=1e-12)


def test_a_small_test_set_has_one_reading(subject) -> None:
    (reading,) = Accuracy().read(subject(Reads(), 10))
    assert (reading.estimate.value, reading.estimate.n, reading.estimate.high) == (1.0, 10, 1.0)


def test_the_order_depends_on_the_seed_alone(subject) -> None:
    def first(seed: int) -> float:
        return next(iter(Accuracy().read(subject(Reads(wrong=3), 1797, seed=seed)))).estimate.value

    assert first(1) == first(1)
    assert len({first(seed) for seed in range(5)}) > 1


def test_nan_scores_count_as_wrong_and_are_said(subject) -> None:
    measured = subject(Reads(wrong=1, nan=True), 300)
    *_, reading = Accuracy().read(measured)
    broken = int((measured.test.labels == 0).sum())
    assert broken > 0
    assert reading.estimate.value == pytest.approx(1 - broken / 300, abs=1e-12)
    assert reading.notes == (f"scores are NaN on {broken} of 300 test images, which count as wrong",)


def test_it_can_be_stopped_between_two_batches(subject) -> None:
    seen = []

    def stop(progress: Progress) -> None:
        seen.append(progress.fraction)
        if len(seen) == 3:
            raise Cancelled

    readings = Accuracy().read(subject(Reads(), 1024, report=stop))
    assert next(readings).estimate.n == 128
    with pytest.raises(Cancelled):
        next(readings)
    assert seen == [64 / 1024, 128 / 1024, 192 / 1024]


def test_gradients_work_between_two_readings(subject) -> None:
    readings = Accuracy().read(subject(Reads(), 600))
    next(readings)
    assert not torch.is_inference_mode_enabled()


def test_an_empty_test_set_is_refused(subject) -> None:
    with pytest.raises(Refused, match="at least one test image"):
        next(Accuracy().read(subject(Reads(), 0)))
