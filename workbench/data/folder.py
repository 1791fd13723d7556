"""The user's own images: `folder:PATH`, with one folder for each class.

Either PATH holds `train/` and `test/` (or `val/`), each with the class folders inside, or PATH holds the class folders
and a fifth of each class, taken by seed, is the test split. Images are decoded when they are read, as RGB.

Where all images have one size of at most 256 pixels, it is kept. Otherwise they become squares: each is scaled until
its shorter side fits, and the centre is cut out.

The digest of the splits is of the names and of all bytes of the images (a few seconds for 55,000 small ones).
"""

from __future__ import annotations

import hashlib
import os
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import torch

from workbench.cards import Data, DataCard
from workbench.data._image_files import FileImages, Size, common_size
from workbench.data._splits import stratified
from workbench.errors import Refused
from workbench.images import Splits
from workbench.recipe import digest
from workbench.registry import data

_SUFFIXES = frozenset((".bmp", ".gif", ".jpeg", ".jpg", ".pgm", ".png", ".ppm", ".tif", ".tiff", ".webp"))
_STAMPED = 2000
_TEST_NAMES = ("test", "val", "valid", "validation")


@dataclass(frozen=True)
class Found:
    """The images of one split: their files in the order of their classes, and the class of each."""

    classes: tuple[str, ...]
    files: tuple[Path, ...]
    labels: torch.Tensor

    def part(self, indices: torch.Tensor) -> Found:
        """Return the images at the indices."""
        return Found(self.classes, tuple(self.files[i] for i in indices.tolist()), self.labels[indices])


def member(address: str) -> Data:
    """Return the entry of a folder; raises `Refused` where it does not hold images in class folders."""
    root = Path(address).expanduser()
    if not address or not root.is_dir():
        raise Refused(f"there is no folder {address!r}, expected one with a folder of images for each class")
    train, test = _scan(root)
    size, mixed = common_size((*train.files, *test.files))
    card = DataCard(
        name=f"folder:{address}",
        title=root.resolve().name,
        summary=f"{len(train.files) + len(test.files)} images of {len(train.classes)} classes in {root}, "
        + (f"scaled and cut to {size[1]}x{size[0]} pixels." if mixed else f"{size[1]}x{size[0]} pixels."),
        shape=(3, *size),
        classes=train.classes,
        train=len(train.files),
        test=len(test.files),
        licence="your own",
        source=str(root),
    )
    return Data(card=card, open=lambda _: _open(root, train, test, size))


def _scan(root: Path) -> tuple[Found, Found]:
    folders = {path.name.lower(): path for path in root.iterdir() if path.is_dir()}
    inside = next((folders[name] for name in _TEST_NAMES if name in folders), None)
    if "train" in folders and inside is not None:
        train, test = _read(folders["train"]), _read(inside)
        if train.classes != test.classes:
            odd = sorted(set(train.classes) ^ set(test.classes))
            raise Refused(f"{folders['train']} and {inside} need the same class folders, only one has {odd[0]!r}")
        return train, test
    found = _read(root)
    counts = torch.bincount(found.labels)
    if counts.min() < 2:
        single = found.classes[int(counts.argmin())]
        raise Refused(f"the class {single!r} in {root} has one image, expected at least two: one to train, one to test")
    rest, taken = stratified(found.labels, (counts / 5).round().long().clamp(min=1), seed=0)
    return found.part(rest), found.part(taken)


def _read(folder: Path) -> Found:
    classes = sorted(path.name for path in folder.iterdir() if path.is_dir() and not path.name.startswith("."))
    if not classes:
        raise Refused(f"{folder} is empty: expected a folder of images for each class")
    files: list[Path] = []
    labels: list[int] = []
    for label, name in enumerate(classes):
        images = sorted(path for path in (folder / name).rglob("*") if _is_image(path))
        if not images:
            raise Refused(f"the class folder {folder / name} holds no image: put some in, or take the folder away")
        files += images
        labels += [label] * len(images)
    if len(classes) == 1:
        raise Refused(
            f"{folder} holds one class only, {classes[0]!r}: expected a folder for each of at least two classes, "
            "or train/ and test/ with such folders inside"
        )
    return Found(tuple(classes), tuple(files), torch.tensor(labels))


def _is_image(path: Path) -> bool:
    return path.suffix.lower() in _SUFFIXES and not path.name.startswith(".") and path.is_file()


def written(address: str) -> str:
    """Return a text that changes with the folder, found in milliseconds: for memory that must notice, not for keys.

    It follows the names of all files, the times of all folders, and time and size of the files, or of about 2,000 of
    them, evenly spaced, where there are more: one image there that is overwritten in place may not be noticed.
    """
    folders, files = [], []
    for path, _, names in os.walk(Path(address).expanduser()):
        folders.append(path)
        files += [f"{path}/{name}" for name in names]
    seen = hashlib.sha256("\n".join(files).encode(errors="surrogateescape"))
    for path in (*folders, *files[:: max(1, len(files) // _STAMPED)]):
        with suppress(OSError):  # taken away meanwhile, or a link to nowhere
            found = Path(path).stat()
            seen.update(f"{found.st_mtime_ns} {found.st_size} ".encode())
    return seen.hexdigest()


def _open(root: Path, train: Found, test: Found, size: Size) -> Splits:
    listed = [[path.relative_to(root).as_posix(), _content(path)] for found in (train, test) for path in found.files]
    return Splits.carve(
        FileImages(train.files, train.labels, size),
        FileImages(test.files, test.labels, size),
        train.classes,
        digest([train.classes, listed, size, len(train.files)]),
    )


def _content(path: Path) -> str:
    try:
        with path.open("rb", buffering=0) as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise Refused(f"the image {path} cannot be read ({error.strerror}): take it away or replace it") from None


data.register_family("folder", member)
