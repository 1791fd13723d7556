"""The shipped digits: the ones that scikit-learn has, in splits worked by hand."""

from __future__ import annotations

import pytest
import torch

from workbench import resources
from workbench.errors import Refused
from workbench.registry import data
from workbench.result import DataRef

REF = DataRef(name="digits")


def test_sixty_of_each_digit_are_for_testing() -> None:
    splits = data.get("digits").open(REF)
    assert torch.bincount(splits.test.labels).tolist() == [60] * 10
    assert (len(splits.train), len(splits.validation), len(splits.calibration)) == (1078, 119, 512)


def test_they_are_those_of_scikit_learn() -> None:
    other = pytest.importorskip("sklearn.datasets").load_digits()
    splits = data.get("digits").open(REF)
    ours = sorted(
        (int(label), *image.flatten().tolist())
        for part in (splits.train, splits.validation, splits.test)
        for image, label in zip(part.pixels(torch.arange(len(part))), part.labels, strict=True)
    )
    theirs = sorted(
        (int(label), *[round(255 * value / 16) for value in image.flatten()])
        for image, label in zip(other.images, other.target, strict=True)
    )
    assert ours == theirs


def test_ink_and_paper_are_the_largest_and_smallest_byte() -> None:
    pixels = data.get("digits").open(REF).test.pixels(torch.arange(600))
    assert pixels.unique().tolist() == sorted({round(255 * value / 16) for value in range(17)})


def test_a_missing_file_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path) -> None:
    monkeypatch.setattr(resources, "datasets", lambda: tmp_path)
    with pytest.raises(Refused, match=r"digits\.npz is missing"):
        data.get("digits").open(REF)
