"""Folders of images and files of MNIST's format, made by the tests."""

from __future__ import annotations

import struct
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

MakeFolder = Callable[..., Path]


@pytest.fixture
def make_folder(tmp_path: Path) -> MakeFolder:
    """Write PNG images, each with noise of its own: `make_folder({"cat": 5, "dog": 4}, "train", size=(8, 6))`."""
    rng = np.random.default_rng(0)
    root = tmp_path / "my images"

    def make(classes: Mapping[str, int], part: str = "", size: tuple[int, int] = (8, 6)) -> Path:
        for name, count in classes.items():
            folder = root / part / name
            folder.mkdir(parents=True)
            for number in range(count):
                pixels = rng.integers(0, 256, (*size, 3), dtype=np.uint8)
                Image.fromarray(pixels).save(folder / f"{number}.png")
        return root

    return make


@pytest.fixture
def write_idx() -> Callable[[Path, Any], None]:
    """Write an array of bytes as MNIST does: a magic number, the sizes, the values."""

    def write(path: Path, values: Any) -> None:
        array = np.asarray(values, dtype=np.uint8)
        path.parent.mkdir(parents=True, exist_ok=True)
        head = struct.pack(f">BBBB{array.ndim}I", 0, 0, 8, array.ndim, *array.shape)
        path.write_bytes(head + array.tobytes())

    return write
