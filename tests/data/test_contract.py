"""What every data set promises, for those that are at hand without a network."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest
import torch

from workbench.cards import Data
from workbench.images import CALIBRATION_IMAGES, Images, Splits
from workbench.registry import data
from workbench.result import DataRef


@pytest.fixture(params=["digits", "mnist", "folder"])
def entry_and_ref(request: pytest.FixtureRequest, make_folder) -> tuple[Data, DataRef]:
    if request.param == "folder":
        make_folder({"cat": 40, "dog": 30}, "train")
        root = make_folder({"cat": 5, "dog": 4}, "test")
        return data.get(f"folder:{root}"), DataRef(name=f"folder:{root}")
    root = str(request.getfixturevalue("shared_data")) if request.param == "mnist" else ""
    return data.get(request.param), DataRef(name=request.param, root=root)


@pytest.fixture
def entry(entry_and_ref: tuple[Data, DataRef]) -> Data:
    return entry_and_ref[0]


@pytest.fixture
def splits(entry_and_ref: tuple[Data, DataRef]) -> Splits:
    entry, ref = entry_and_ref
    return entry.open(ref)


def contents(images: Images) -> set[bytes]:
    return {image.numpy().tobytes() for image in images.pixels(torch.arange(len(images)))}


@pytest.mark.parametrize("name", data.names())
def test_its_card_is_filled_in(name: str) -> None:
    card = dataclasses.asdict(data.get(name).card)
    assert card["name"] == name
    assert [key for key, value in card.items() if not value and key != "mirror"] == []
    assert len(set(card["classes"])) == len(card["classes"]) > 1


def test_no_image_is_in_two_splits(splits: Splits) -> None:
    train, validation, test = contents(splits.train), contents(splits.validation), contents(splits.test)
    assert not train & validation
    assert not train & test
    assert not validation & test


def test_calibration_images_are_training_images(splits: Splits) -> None:
    assert contents(splits.calibration) <= contents(splits.train)
    assert len(splits.calibration) == min(CALIBRATION_IMAGES, len(splits.train))


def test_the_card_counts_and_describes_the_images(entry: Data, splits: Splits) -> None:
    assert len(splits.train) + len(splits.validation) == entry.card.train
    assert len(splits.test) == entry.card.test
    assert splits.classes == entry.card.classes
    pixels = splits.test.pixels(torch.tensor([0, 1]))
    assert pixels.shape == (2, *entry.card.shape)
    assert pixels.dtype == torch.uint8


def test_labels_name_classes_and_all_occur(splits: Splits) -> None:
    every = list(range(len(splits.classes)))
    for part in (splits.train, splits.test):
        assert part.labels.unique().tolist() == every
    for part in (splits.train, splits.validation, splits.calibration, splits.test):
        assert part.labels.dtype == torch.int64
        assert set(part.labels.tolist()) <= set(every)


def test_opening_it_again_gives_the_same_splits(entry_and_ref: tuple[Data, DataRef], splits: Splits) -> None:
    entry, ref = entry_and_ref
    again = entry.open(ref)
    assert again.digest == splits.digest
    assert len(again.digest) == 64
    for name in ("train", "validation", "calibration", "test"):
        one, other = getattr(splits, name), getattr(again, name)
        assert torch.equal(one.labels, other.labels)
        some = torch.arange(min(50, len(one)))
        assert torch.equal(one.pixels(some), other.pixels(some))


def test_digests_tell_data_sets_apart(make_folder, shared_data: Path) -> None:
    folder = f"folder:{make_folder({'cat': 5, 'dog': 4})}"
    refs = [DataRef(name="digits"), DataRef(name="mnist", root=str(shared_data)), DataRef(name=folder)]
    assert len({data.get(ref.name).open(ref).digest for ref in refs}) == 3
