"""Gains and losses by class, on images with known answers."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from workbench.measure.accuracy import Accuracy


class Misses(nn.Module):
    """Reads the label from the first pixel, and is wrong on some labels."""

    def __init__(self, *labels: int) -> None:
        super().__init__()
        self.labels = torch.tensor(labels, dtype=torch.long)

    def forward(self, x: Tensor) -> Tensor:
        label = (x[:, 0, 0, 0] * 255 / 25).round().long()
        scores = nn.functional.one_hot(label, 10).float()
        return torch.where(torch.isin(label, self.labels)[:, None], -scores, scores)


def test_each_class_is_counted_once_all_images_were_run(subject) -> None:
    original = subject(Misses(1, 2))
    compressed = subject(Misses(2, 3), original=original, about={"classes": ["nought", "one"]})
    *some, last = Accuracy().read(compressed)
    assert some
    assert not any("classes" in reading.details for reading in some)
    found = last.details["classes"]
    counts = torch.bincount(compressed.test.labels, minlength=10).tolist()
    assert found["names"] == ["nought", "one", *map(str, range(2, 10))]
    assert found["images"] == counts
    assert found["was"] == [n if number not in (1, 2) else 0 for number, n in enumerate(counts)]
    assert found["right"] == [n if number not in (2, 3) else 0 for number, n in enumerate(counts)]
    assert found["lost"] == [counts[3] if number == 3 else 0 for number in range(10)]
    assert found["gained"] == [counts[1] if number == 1 else 0 for number in range(10)]


def test_the_original_itself_has_no_changes(subject) -> None:
    assert "classes" not in [*Accuracy().read(subject(Misses(1)))][-1].details


def test_a_class_without_test_images_is_left_out(subject) -> None:
    names = [*"0123456789", "never seen"]
    *_, last = Accuracy().read(subject(Misses(1), original=subject(Misses()), about={"classes": names}))
    assert last.details["classes"]["names"] == [*"0123456789"]
