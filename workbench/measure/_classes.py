"""Which classes a compressed network has lost: one class can fall much further than the mean."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from workbench.measure._answers import Answers


def by_class(ours: Answers, original: Answers, names: Sequence[str]) -> dict[str, list[Any]]:
    """Return a column of plain JSON for each number about the classes that have test images, once all were run.

    `images`; `was` and `right`, those that the original and this network have right; `lost` and `gained`, those that
    changed. Classes without a name are called by their number. `forgetting.parts` has the intervals.
    """
    labels, right, before = ours.labels, ours.right, original.right
    number = max(len(names), int(labels.max()) + 1)

    def count(chosen: Tensor) -> list[int]:
        return torch.bincount(labels[chosen], minlength=number).tolist()

    images = count(torch.ones_like(right))
    columns = [images, *map(count, (before, right, before & ~right, right & ~before))]
    there = [number for number, n in enumerate(images) if n]
    called = [*names, *map(str, range(len(names), number))]
    found: dict[str, list[Any]] = {"names": [called[number] for number in there]}
    for title, column in zip(("images", "was", "right", "lost", "gained"), columns, strict=True):
        found[title] = [column[number] for number in there]
    return found
