"""Images, splits and preprocessing, against numbers worked by hand and against Pillow."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from workbench.errors import Refused
from workbench.images import CALIBRATION_IMAGES, Preprocess, Splits, Subset, TensorImages, View


def numbered(count: int) -> TensorImages:
    """Return images of one pixel whose label is their number."""
    numbers = torch.arange(count)
    return TensorImages((numbers % 256).to(torch.uint8).view(-1, 1, 1, 1), numbers)


def test_images_are_bytes_with_a_label_each() -> None:
    images = numbered(5)
    assert len(images) == 5
    assert images.pixels(torch.tensor([4, 0, 4])).flatten().tolist() == [4, 0, 4]
    for pixels in (torch.zeros(5, 1, 1, 1), torch.zeros(5, 1, 1, dtype=torch.uint8), torch.zeros(4, 1, 1, 1).byte()):
        with pytest.raises(Refused, match=r"^expected bytes \[N, C, H, W\] with N labels, got "):
            TensorImages(pixels, torch.arange(5))


def test_a_subset_of_a_subset_keeps_its_order() -> None:
    part = Subset(Subset(numbered(10), torch.tensor([9, 7, 5, 3])), torch.tensor([2, 0]))
    assert part.labels.tolist() == [5, 9]
    assert part.pixels(torch.tensor([1, 0])).flatten().tolist() == [9, 5]
    assert len(part) == 2


@pytest.mark.parametrize(("count", "held"), [(1, 0), (9, 0), (10, 1), (1000, 100), (30_000, 2000)])
def test_a_tenth_is_held_back_for_validation(count: int, held: int) -> None:
    splits = Splits.carve(numbered(count), numbered(3), ("a", "b"), "digest")
    assert len(splits.validation) == held
    assert len(splits.train) == count - held
    assert len(splits.calibration) == min(CALIBRATION_IMAGES, count - held)
    assert len(splits.test) == 3
    assert (splits.classes, splits.digest) == (("a", "b"), "digest")


@given(st.integers(1, 900), st.integers(0, 3))
def test_splits_do_not_overlap_but_for_calibration_in_training(count: int, seed: int) -> None:
    splits = Splits.carve(numbered(count), numbered(1), (), "", seed)
    train, held = set(splits.train.labels.tolist()), set(splits.validation.labels.tolist())
    assert train | held == set(range(count))
    assert not train & held
    assert set(splits.calibration.labels.tolist()) <= train
    again = Splits.carve(numbered(count), numbered(1), (), "", seed)
    assert torch.equal(again.train.labels, splits.train.labels)
    if count > 100:
        other = Splits.carve(numbered(count), numbered(1), (), "", seed + 1)
        assert not torch.equal(other.validation.labels, splits.validation.labels)


def test_pixels_are_scaled_and_normalised() -> None:
    preprocess = Preprocess((1, 1, 2), (0.5,), (0.25,))
    found = preprocess(torch.tensor([[[[0, 255]]]], dtype=torch.uint8))
    assert found.dtype == torch.float32
    assert found.flatten().tolist() == [-2, 2]


def test_each_channel_has_its_own_mean_and_std() -> None:
    preprocess = Preprocess((3, 1, 1), (0.0, 0.5, 1.0), (1.0, 0.5, 0.25))
    found = preprocess(torch.full((1, 3, 1, 1), 255, dtype=torch.uint8))
    assert found.flatten().tolist() == [1, 1, 0]


def test_channels_are_repeated_or_averaged() -> None:
    grey = torch.tensor([[[[51]]]], dtype=torch.uint8)
    assert Preprocess((3, 1, 1), (0,) * 3, (1,) * 3)(grey).flatten().tolist() == pytest.approx([0.2] * 3)
    colours = torch.tensor([[[[0]], [[51]], [[255]]]], dtype=torch.uint8)
    assert Preprocess((1, 1, 1), (0,), (1,))(colours).flatten().tolist() == pytest.approx([0.4])


@pytest.mark.parametrize("size", [(4, 4), (5, 7), (20, 20)])
def test_images_are_resized_as_pillow_does_it(size: tuple[int, int]) -> None:
    pixels = torch.randint(0, 256, (8, 10), generator=torch.Generator().manual_seed(0)).to(torch.uint8)
    wanted = Image.fromarray(pixels.numpy()).convert("F").resize(size[::-1], Image.Resampling.BILINEAR)
    found = Preprocess((1, *size), (0.0,), (1.0,))(pixels.view(1, 1, 8, 10))
    np.testing.assert_allclose(found[0, 0].numpy() * 255, np.asarray(wanted), atol=0.01)


def test_preprocessing_needs_a_number_for_each_channel() -> None:
    with pytest.raises(Refused, match="one number for each of the 3 input channels, got 1 and 3"):
        Preprocess((3, 8, 8), (0.5,), (0.5,) * 3)
    for std in (0.0, -1.0):
        with pytest.raises(Refused, match="std must be above zero"):
            Preprocess((1, 8, 8), (0.5,), (std,))


def test_a_view_gives_batches_in_order_or_in_yours() -> None:
    view = View(numbered(7), Preprocess((1, 1, 1), (0.0,), (1 / 255,)))
    whole = [(i.tolist(), x.flatten().round().int().tolist(), y.tolist()) for i, x, y in view.batches(3)]
    assert whole == [([0, 1, 2],) * 3, ([3, 4, 5],) * 3, ([6],) * 3]
    mine = [x.flatten().round().int().tolist() for _, x, _ in view.batches(2, torch.tensor([6, 0, 3]))]
    assert mine == [[6, 0], [3]]
    assert len(view) == 7


def test_a_view_that_is_kept_is_the_one_that_is_not() -> None:
    images = numbered(1200)
    kept = View(images, Preprocess((3, 4, 4), (0.1,) * 3, (0.5,) * 3))
    asked = View(images, Preprocess((3, 4, 4), (0.1,) * 3, (0.5,) * 3))
    asked._keep = False
    indices = torch.tensor([0, 1199, 600])
    assert torch.equal(kept.inputs(indices), asked.inputs(indices))


def test_changing_a_batch_does_not_change_the_view() -> None:
    view = View(numbered(4), Preprocess((1, 1, 1), (0.0,), (1.0,)))
    view.inputs(torch.arange(4)).fill_(9)
    assert float(view.inputs(torch.arange(4)).max()) < 1


def test_an_empty_view_has_no_images() -> None:
    view = View(numbered(0), Preprocess((3, 4, 4), (0.0,) * 3, (1.0,) * 3))
    assert len(view) == 0
    assert sum(len(indices) for indices, _, _ in view.batches(10)) == 0
