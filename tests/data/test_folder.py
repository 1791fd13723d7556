"""The user's own images."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from workbench.data import _image_files, folder
from workbench.data._image_files import FileImages, common_size, decode
from workbench.errors import Refused
from workbench.images import Splits
from workbench.registry import data
from workbench.result import DataRef


def open_splits(root: Path | str) -> Splits:
    name = f"folder:{root}"
    return data.get(name).open(DataRef(name=name))


@pytest.mark.parametrize("names", [("train", "test"), ("train", "val"), ("Train", "Validation")])
def test_train_and_test_inside_are_taken_as_they_are(make_folder, names: tuple[str, str]) -> None:
    make_folder({"cat": 12, "dog": 9}, names[0])
    splits = open_splits(make_folder({"cat": 3, "dog": 2}, names[1]))
    assert splits.classes == ("cat", "dog")
    assert len(splits.train) + len(splits.validation) == 21
    assert splits.test.labels.tolist() == [0, 0, 0, 1, 1]


def test_one_level_is_split_by_seed_a_fifth_for_testing(make_folder) -> None:
    root = make_folder({"cat": 20, "dog": 10, "emu": 2})
    splits = open_splits(root)
    assert torch.bincount(splits.test.labels).tolist() == [4, 2, 1]
    assert len(splits.train) + len(splits.validation) == 25


def test_a_class_may_be_called_train(make_folder) -> None:
    assert open_splits(make_folder({"plane": 4, "train": 4})).classes == ("plane", "train")


def test_pixels_are_those_of_the_files(make_folder) -> None:
    make_folder({"cat": 3, "dog": 3}, "train")
    root = make_folder({"cat": 2, "dog": 2}, "test")
    pixels = open_splits(root).test.pixels(torch.tensor([2, 1]))
    for image, file in zip(pixels, ("dog/0.png", "cat/1.png"), strict=True):
        assert np.array_equal(image.permute(1, 2, 0).numpy(), np.asarray(Image.open(root / "test" / file)))


def test_the_card_says_what_was_found(make_folder) -> None:
    root = make_folder({"cat": 5, "dog": 5})
    card = data.get(f"folder:{root}").card
    assert (card.shape, card.classes, card.train, card.test) == ((3, 8, 6), ("cat", "dog"), 8, 2)
    assert card.title == "my images"
    assert card.summary.endswith("6x8 pixels.")
    assert not card.mirror


def test_hidden_and_other_files_are_left_out_and_deeper_ones_found(make_folder) -> None:
    root = make_folder({"cat": 3, "dog": 3})
    (root / "notes.txt").write_text("no class")
    (root / "cat" / "notes.txt").write_text("no image")
    (root / "cat" / "._0.png").write_bytes(b"what macOS leaves behind")
    (root / ".cache").mkdir()
    (root / "cat" / "more").mkdir()
    Image.new("RGB", (6, 8)).save(root / "cat" / "more" / "X.PNG")
    card = data.get(f"folder:{root}").card
    assert (card.classes, card.train + card.test) == (("cat", "dog"), 7)


def test_a_windows_path_keeps_its_colon(make_folder, monkeypatch: pytest.MonkeyPatch) -> None:
    root = make_folder({"cat": 2, "dog": 2})
    root.rename(root.parent / r"C:\my images")
    monkeypatch.chdir(root.parent)
    assert open_splits(r"C:\my images").classes == ("cat", "dog")


def test_the_digest_follows_names_and_bytes(make_folder) -> None:
    root = make_folder({"cat": 4, "dog": 4})
    before = open_splits(root).digest
    assert open_splits(root).digest == before
    moved = root.rename(root.parent / "elsewhere")
    assert open_splits(moved).digest == before  # where it lies does not count
    (moved / "cat" / "3.png").rename(moved / "cat" / "9.png")
    renamed = open_splits(moved).digest
    (moved / "cat" / "9.png").write_bytes((moved / "cat" / "9.png").read_bytes() + b"\0")
    longer = open_splits(moved).digest
    content = bytearray((moved / "cat" / "9.png").read_bytes())
    content[-1] = 1
    (moved / "cat" / "9.png").write_bytes(content)
    assert len({before, renamed, longer, open_splits(moved).digest}) == 4


def test_what_is_written_in_a_folder_is_noticed(make_folder) -> None:
    root = make_folder({"cat": 4, "dog": 4})
    image = root / "cat" / "3.png"
    os.utime(image, ns=(1, 1))
    seen = [folder.written(str(root))]
    assert folder.written(str(root)) == seen[0]
    os.utime(image, ns=(2, 2))  # as if overwritten in place
    seen.append(folder.written(str(root)))
    image.rename(root / "dog" / "4.png")
    seen.append(folder.written(str(root)))
    (root / "dog" / "4.png").unlink()
    seen.append(folder.written(str(root)))
    assert len(set(seen)) == 4
    assert folder.written(str(root / "nowhere")) != seen[0]


def refusal(root: Path | str) -> str:
    with pytest.raises(Refused) as caught:
        open_splits(root)
    return str(caught.value)


def test_no_folder_is_refused(tmp_path: Path) -> None:
    assert "there is no folder" in refusal(tmp_path / "none")
    assert "there is no folder ''" in refusal("")


def test_an_empty_folder_is_refused(tmp_path: Path) -> None:
    assert refusal(tmp_path) == f"{tmp_path} is empty: expected a folder of images for each class"


def test_an_empty_class_is_refused(make_folder) -> None:
    root = make_folder({"cat": 2, "dog": 0, "emu": 2})
    assert refusal(root).startswith(f"the class folder {root / 'dog'} holds no image")


def test_one_class_is_refused(make_folder) -> None:
    assert "holds one class only, 'cat'" in refusal(make_folder({"cat": 5}))


def test_a_class_with_one_image_cannot_be_split(make_folder) -> None:
    assert "the class 'dog' in" in refusal(make_folder({"cat": 5, "dog": 1}))


def test_classes_that_differ_are_refused(make_folder) -> None:
    make_folder({"cat": 2, "dog": 2}, "train")
    assert "only one has 'emu'" in refusal(make_folder({"cat": 2, "dog": 2, "emu": 2}, "test"))


def test_a_broken_image_is_named(make_folder) -> None:
    root = make_folder({"cat": 2, "dog": 2})
    broken = root / "dog" / "1.png"
    broken.write_bytes(b"not an image")
    told = f"the image {broken} cannot be read (its content is no image of a known kind): take it away or replace it"
    assert refusal(root) == told


def test_a_truncated_image_is_named_when_it_is_decoded(make_folder) -> None:
    path = make_folder({"cat": 1}, size=(64, 64)) / "cat" / "0.png"
    path.write_bytes(path.read_bytes()[:4000])
    assert common_size([path]) == ((64, 64), False)
    with pytest.raises(Refused, match=r"0\.png cannot be read"):
        decode(path, (64, 64))


def gradient(width: int, height: int) -> Image.Image:
    """Return an image whose red is the column and whose green is the row."""
    columns, rows = np.meshgrid(np.arange(width), np.arange(height))
    return Image.fromarray(np.stack([columns, rows, 0 * rows], 2).astype(np.uint8))


def test_other_sizes_are_scaled_by_their_shorter_side_and_cut_at_the_centre(tmp_path: Path) -> None:
    gradient(200, 100).save(tmp_path / "wide.png")
    red, green, _ = decode(tmp_path / "wide.png", (50, 50)).float()
    assert red.shape == (50, 50)
    # columns 50 to 149 and all rows are kept, and each pixel is the mean of about two
    assert red[25, 0].item() == pytest.approx(50.5, abs=1)
    assert red[25, -1].item() == pytest.approx(148.5, abs=1)
    assert green[0, 25].item() == pytest.approx(0.5, abs=1)
    assert green[-1, 25].item() == pytest.approx(98.5, abs=1)


def test_the_common_size(tmp_path: Path) -> None:
    files = {}
    for name, size in {"a": (10, 20), "b": (10, 20), "c": (30, 40), "d": (60, 50), "large": (400, 300)}.items():
        files[name] = tmp_path / f"{name}.png"
        Image.new("RGB", size).save(files[name])
    assert common_size([files["a"], files["b"]]) == ((20, 10), False)
    assert common_size([files["a"], files["c"], files["d"]]) == ((30, 30), True)  # the median of the shorter sides
    assert common_size([files["large"]]) == ((256, 256), True)


def test_the_orientation_of_a_camera_is_applied(tmp_path: Path) -> None:
    image = Image.new("RGB", (64, 32), "black")
    image.paste("white", (0, 0, 32, 32))  # the left half
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned a quarter clockwise
    image.save(tmp_path / "turned.jpg", exif=exif)
    assert common_size([tmp_path / "turned.jpg"]) == ((64, 32), False)
    pixels = decode(tmp_path / "turned.jpg", (64, 32))
    assert pixels[:, :32].min() > 250  # what was left is above
    assert pixels[:, 32:].max() < 5


def test_grey_palette_and_transparent_images_become_rgb(tmp_path: Path) -> None:
    Image.new("L", (2, 2), 77).save(tmp_path / "grey.png")
    assert decode(tmp_path / "grey.png", (2, 2)).unique().tolist() == [77]
    Image.new("RGBA", (2, 2), (9, 9, 9, 0)).save(tmp_path / "clear.png")
    assert decode(tmp_path / "clear.png", (2, 2)).unique().tolist() == [255]
    Image.new("P", (2, 2), 0).save(tmp_path / "palette.gif", transparency=0)
    assert decode(tmp_path / "palette.gif", (2, 2)).unique().tolist() == [255]


def test_sixteen_bits_are_refused_rather_than_clipped(tmp_path: Path) -> None:
    Image.fromarray(np.full((2, 2), 40_000, dtype=np.uint16)).save(tmp_path / "deep.png")
    with pytest.raises(Refused, match="expected 8 bits"):
        decode(tmp_path / "deep.png", (2, 2))


def test_images_are_decoded_once_and_only_the_first_are_kept(make_folder, monkeypatch: pytest.MonkeyPatch) -> None:
    files = sorted((make_folder({"cat": 3}, size=(2, 2)) / "cat").iterdir())
    monkeypatch.setattr(_image_files, "_KEEP_BYTES", 2 * 3 * 2 * 2)  # two of the three
    images = FileImages(files, torch.zeros(3, dtype=torch.long), (2, 2))
    decoded: list[str] = []
    monkeypatch.setattr(_image_files, "decode", lambda path, size: (decoded.append(path.name), decode(path, size))[1])
    first, second = images.pixels(torch.tensor([0, 2, 0])), images.pixels(torch.tensor([0, 2, 0]))
    assert torch.equal(first, second)
    assert torch.equal(first[1], decode(files[2], (2, 2)))
    assert decoded == ["0.png", "2.png", "2.png"]


def test_no_image_at_all_gives_an_empty_batch(make_folder) -> None:
    files = sorted((make_folder({"cat": 1}, size=(2, 3)) / "cat").iterdir())
    images = FileImages(files, torch.zeros(1, dtype=torch.long), (2, 3))
    assert images.pixels(torch.arange(0)).shape == (0, 3, 2, 3)
