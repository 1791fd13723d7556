"""Images as the engine sees them: unsigned bytes in fixed splits, and views that a given network can read.

Four splits, fixed by seed: `train`; `validation`, for early stopping and for choosing between methods; `calibration`,
a few hundred images for statistics, taken from the training images; `test`, which only measures ever see.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor
from torch.nn import functional as F

from workbench.cards import Shape
from workbench.errors import Refused

CALIBRATION_IMAGES = 512
"""How many training images `calibration` holds at the most."""
_KEEP_BYTES = 128 * 2**20


class Images(ABC):
    """Labelled images of one split."""

    labels: Tensor
    """Class indices, int64 [N]."""

    def __len__(self) -> int:
        return len(self.labels)

    @abstractmethod
    def pixels(self, indices: Tensor) -> Tensor:
        """Return the images at `indices` [B] as bytes [B, C, H, W]."""


@final
class TensorImages(Images):
    """Images that are in memory."""

    def __init__(self, pixels: Tensor, labels: Tensor) -> None:
        if pixels.ndim != 4 or pixels.dtype != torch.uint8 or len(pixels) != len(labels):
            raise Refused(f"expected bytes [N, C, H, W] with N labels, got {tuple(pixels.shape)} and {len(labels)}")
        self._pixels, self.labels = pixels, labels.long()

    def pixels(self, indices: Tensor) -> Tensor:
        return self._pixels[indices]


@final
class Subset(Images):
    """Some images of another set, in the order given."""

    def __init__(self, images: Images, indices: Tensor) -> None:
        self._images, self._indices, self.labels = images, indices, images.labels[indices]

    def pixels(self, indices: Tensor) -> Tensor:
        return self._images.pixels(self._indices[indices])


@dataclass(frozen=True)
class Splits:
    """The fixed splits of a data set."""

    train: Images
    validation: Images
    calibration: Images
    test: Images
    classes: tuple[str, ...]
    digest: str
    """Names the content: equal digests mean equal images in equal splits."""

    @classmethod
    def carve(cls, train: Images, test: Images, classes: tuple[str, ...], digest: str, seed: int = 0) -> Splits:
        """Split off validation (a tenth, at most 2,000) and calibration images from the training images, by seed."""
        order = torch.randperm(len(train), generator=torch.Generator().manual_seed(seed))
        held = min(2000, len(train) // 10)
        rest = Subset(train, order[held:])
        calibration = Subset(train, order[held : held + CALIBRATION_IMAGES])
        return cls(rest, Subset(train, order[:held]), calibration, test, classes, digest)


@dataclass(frozen=True)
class Preprocess:
    """From bytes to what a network reads: resized, channels repeated or averaged, scaled to [0, 1], normalised."""

    shape: Shape
    mean: tuple[float, ...]
    std: tuple[float, ...]

    def __post_init__(self) -> None:
        channels = self.shape[0]
        if len(self.mean) != channels or len(self.std) != channels:
            raise Refused(
                f"mean and std need one number for each of the {channels} input channels, "
                f"got {len(self.mean)} and {len(self.std)}"
            )
        if min(self.std) <= 0:
            raise Refused(f"std must be above zero, got {min(self.std)}")

    def __call__(self, pixels: Tensor) -> Tensor:
        """Return float32 [B, C, H, W] for bytes [B, c, h, w]."""
        x = pixels.float() / 255
        if x.shape[1] != self.shape[0]:
            x = x.mean(1, keepdim=True).expand(-1, self.shape[0], -1, -1)
        if x.shape[2:] != self.shape[1:]:
            x = F.interpolate(x, self.shape[1:], mode="bilinear", antialias=True, align_corners=False)
        mean = torch.tensor(self.mean).view(1, -1, 1, 1)
        return (x - mean) / torch.tensor(self.std).view(1, -1, 1, 1)


@final
class View:
    """One split as one network reads it. Small splits are kept preprocessed."""

    def __init__(self, images: Images, preprocess: Preprocess, device: str = "cpu") -> None:
        self._images, self._preprocess, self._device = images, preprocess, device
        self.labels = images.labels.to(device)
        size = 4 * len(images)
        for n in preprocess.shape:
            size *= n
        self._kept: Tensor | None = None
        self._keep = size <= _KEEP_BYTES

    def __len__(self) -> int:
        return len(self.labels)

    def inputs(self, indices: Tensor) -> Tensor:
        """Return the network's inputs float32 [B, C, H, W] for image indices [B]."""
        if self._keep and self._kept is None:
            parts = torch.arange(len(self)).split(500)
            self._kept = torch.cat([self._preprocess(self._images.pixels(p)).to(self._device) for p in parts])
        if self._kept is not None:
            return self._kept[indices]
        return self._preprocess(self._images.pixels(indices)).to(self._device)

    def pixels(self, indices: Tensor) -> Tensor:
        """Return the images at `indices` [B] as bytes [B, c, h, w], as they are before preprocessing."""
        return self._images.pixels(indices)

    def batches(self, size: int, order: Tensor | None = None) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
        """Yield (indices, inputs, labels) in the order given, by default the order of the split."""
        for indices in (torch.arange(len(self)) if order is None else order).split(size):
            yield indices, self.inputs(indices), self.labels[indices]
