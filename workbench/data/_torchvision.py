"""Public data sets through torchvision: found on disk or downloaded, never half of either."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from workbench import resources
from workbench._torchvision import import_torchvision
from workbench.cards import DataCard
from workbench.data._splits import content_digest
from workbench.errors import Refused, reason
from workbench.images import Splits, TensorImages
from workbench.result import DataRef


def open_splits(ref: DataRef, card: DataCard, dataset: str, files: tuple[str, ...]) -> Splits:
    """Return the splits of a data set of torchvision, downloading it where its files are missing.

    `dataset` is the name of its class, `files` are those that it reads, relative to the folder of all data sets.
    Raises `Refused` where they can neither be found nor downloaded, or are damaged.
    """
    root = Path(ref.root).expanduser() if ref.root else resources.cache_home() / "data"
    make = getattr(import_torchvision().datasets, dataset)
    if not all((root / file).is_file() for file in files):
        _download(make, root, card, files)
    try:
        train, test = (make(str(root), train=which, download=False) for which in (True, False))
    except (RuntimeError, ValueError, OSError, EOFError, AssertionError) as error:
        raise _damaged(card, root, files, reason(error)) from None
    tensors = (_pixels(train), torch.as_tensor(train.targets), _pixels(test), torch.as_tensor(test.targets))
    for pixels, labels in (tensors[:2], tensors[2:]):
        if len(pixels) != len(labels) or labels.unique().tolist() != list(range(len(card.classes))):
            raise _damaged(card, root, files, "their labels do not belong to their images")
    return Splits.carve(
        TensorImages(tensors[0], tensors[1]),
        TensorImages(tensors[2], tensors[3]),
        card.classes,
        content_digest(*tensors),
    )


def _damaged(card: DataCard, root: Path, files: tuple[str, ...], why: str) -> Refused:
    folder = (root / files[0]).parent
    return Refused(f"the files of {card.name} in {folder} are damaged ({why}): move them away to download them again")


def _download(make: Any, root: Path, card: DataCard, files: tuple[str, ...]) -> None:
    """Download beside the final place and move the files there one by one: what is there is whole."""
    try:
        root.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".download-", dir=root) as folder:
            make(folder, train=True, download=True)
            for file in files:
                (root / file).parent.mkdir(parents=True, exist_ok=True)
                (Path(folder) / file).replace(root / file)
    except (OSError, RuntimeError) as error:  # no network, no space, a download that does not match its checksum
        raise Refused(
            f"{card.name} is not in {root} and cannot be downloaded ({reason(error)}): "
            f"put these files there: {', '.join(files)} (from {card.source})"
        ) from None


def _pixels(dataset: Any) -> Tensor:
    """Return bytes [N, C, H, W]: torchvision keeps them as [N, H, W] or [N, H, W, C]."""
    pixels = torch.as_tensor(dataset.data)
    return pixels.unsqueeze(1) if pixels.ndim == 3 else pixels.permute(0, 3, 1, 2).contiguous()
