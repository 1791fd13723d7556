"""Images in files: decoded when they are read, and kept in memory up to a limit."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from pathlib import Path
from typing import final

import numpy as np
import torch
from PIL import Image, ImageOps, UnidentifiedImageError
from torch import Tensor

from workbench.errors import Refused, reason
from workbench.images import Images

Size = tuple[int, int]
"""Height and width."""
LARGEST = 256
"""Larger images are scaled down: no network here reads more, and one photograph would fill the memory."""
_LOOKED_AT = 200
_KEEP_BYTES = 256 * 2**20
_ROTATED = (5, 6, 7, 8)
"""Values of the EXIF orientation that exchange height and width."""


@final
class FileImages(Images):
    """Images in files, as RGB of one size. The first ones, up to 256 MB decoded, stay in memory once they were read."""

    def __init__(self, files: Sequence[Path], labels: Tensor, size: Size) -> None:
        self._files, self.labels, self._size = tuple(files), labels, size
        keep = min(len(files), _KEEP_BYTES // (3 * size[0] * size[1]))
        self._kept = torch.empty((keep, 3, *size), dtype=torch.uint8)  # takes memory only where it is written
        self._have = torch.zeros(keep, dtype=torch.bool)

    def pixels(self, indices: Tensor) -> Tensor:
        batch = torch.empty((len(indices), 3, *self._size), dtype=torch.uint8)
        for place, index in enumerate(indices.tolist()):
            batch[place] = self._one(index)
        return batch

    def _one(self, index: int) -> Tensor:
        if index >= len(self._kept):
            return decode(self._files[index], self._size)
        if not self._have[index]:
            self._kept[index] = decode(self._files[index], self._size)
            self._have[index] = True  # only now: another thread may be reading
        return self._kept[index]


def common_size(files: Sequence[Path]) -> tuple[Size, bool]:
    """Return the size that images are brought to, and whether any has to be scaled for it.

    It is decided on 200 of the files, evenly spaced. Raises `Refused` for a file that is not an image.
    """
    every = max(1, len(files) // _LOOKED_AT)
    sizes = [_size(path) for path in files[::every]]
    if len(set(sizes)) == 1 and max(sizes[0]) <= LARGEST:
        return sizes[0], False
    side = min(LARGEST, int(statistics.median(min(size) for size in sizes)))
    return (side, side), True


def decode(path: Path, size: Size) -> Tensor:
    """Return an image as RGB bytes [3, H, W]; raises `Refused`, naming the file, where it cannot be read.

    An image of another size is scaled until it covers `size`, and its centre is cut out. What is transparent becomes
    white. The orientation that a camera wrote down is applied.
    """
    height, width = size
    try:
        with Image.open(path) as file:
            file.draft(None, (max(size), max(size)))  # a large JPEG is decoded no larger than needed
            image = _eight_bits(ImageOps.exif_transpose(file), path)
        if image.size != (width, height):
            image = ImageOps.fit(image, (width, height), Image.Resampling.BILINEAR)
        return torch.from_numpy(np.array(image)).permute(2, 0, 1)
    except Refused:
        raise
    except Exception as error:  # a broken file makes Pillow raise nearly anything
        raise _unreadable(path, error) from None


def _eight_bits(image: Image.Image, path: Path) -> Image.Image:
    if image.mode.startswith(("I", "F")):
        raise Refused(f"the image {path} has pixels of kind {image.mode}, expected 8 bits in each channel")
    if image.has_transparency_data:
        image = image.convert("RGBA")
        return Image.alpha_composite(Image.new("RGBA", image.size, "white"), image).convert("RGB")
    return image.convert("RGB")


def _size(path: Path) -> Size:
    try:
        with Image.open(path) as image:
            width, height = image.size
            # cameras write JPEG; for PNG the question alone would decode the whole image
            rotated = image.format == "JPEG" and image.getexif().get(0x0112) in _ROTATED
    except Exception as error:  # a broken file makes Pillow raise nearly anything
        raise _unreadable(path, error) from None
    return (width, height) if rotated else (height, width)


def _unreadable(path: Path, error: Exception) -> Refused:
    unknown = isinstance(error, UnidentifiedImageError)
    why = "its content is no image of a known kind" if unknown else reason(error)
    return Refused(f"the image {path} cannot be read ({why}): take it away or replace it")
