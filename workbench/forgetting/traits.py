"""Groups of images that no label names: dark and bright ones, those of little and of much contrast, thin and thick ink.

Each trait is one number for an image, read from its bytes. The images are cut at the thirds of that number over the
test images; images with equal numbers stay together.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from workbench.context import Progress, Report, ignore
from workbench.images import View

_BATCH = 500
_NAMES: Mapping[str, tuple[str, str, str]] = {
    "brightness": ("dark images", "images of middling brightness", "bright images"),
    "contrast": ("images of little contrast", "images of middling contrast", "images of much contrast"),
    "ink": ("images with thin strokes", "images with middling strokes", "images with thick strokes"),
}


def traits(images: View, report: Report = ignore) -> dict[str, Tensor]:
    """Return the numbers [N] of each trait; ink only where the images are grey."""
    found: dict[str, list[Tensor]] = {}
    order = torch.arange(len(images))
    for part in order.split(_BATCH):
        for name, numbers in measured(images.pixels(part)).items():
            found.setdefault(name, []).append(numbers)
        report(Progress((int(part[-1]) + 1) / len(order), "looking at the images"))
    return {name: torch.cat(numbers) for name, numbers in found.items()}


def measured(pixels: Tensor) -> dict[str, Tensor]:
    """Return the numbers [N] of each trait for bytes [N, C, H, W].

    Brightness is the mean and contrast the standard deviation of all pixels, in [0, 1]. Ink is the share of pixels that
    differ from the background, the median of the rim, by more than half of the largest difference in the image.
    """
    scaled = pixels.float() / 255
    found = {"brightness": scaled.flatten(1).mean(1), "contrast": scaled.flatten(1).std(1, unbiased=False)}
    if pixels.shape[1] == 1:
        grey = scaled[:, 0]
        rim = torch.cat([grey[:, 0], grey[:, -1], grey[:, :, 0], grey[:, :, -1]], 1)
        away = (grey - rim.median(1).values[:, None, None]).abs().flatten(1)
        most = away.max(1, keepdim=True).values
        found["ink"] = ((away > most / 2) & (most > 0)).float().mean(1)
    return found


def thirds(trait: str, numbers: Tensor) -> dict[str, Tensor]:
    """Return the three groups of a trait by name, as masks [N]; none where the images do not differ enough."""
    ranked = numbers.sort().values
    low, high = ranked[(len(ranked) - 1) // 3], ranked[(2 * len(ranked) - 1) // 3]
    masks = (numbers <= low, (numbers > low) & (numbers <= high), numbers > high)
    return dict(zip(_NAMES[trait], masks, strict=True)) if all(bool(mask.any()) for mask in masks) else {}


def grouped(groups: Mapping[str, Tensor], before: Tensor, after: Tensor, kind: str) -> dict[str, list[Any]]:
    """Return the columns for `parts.parts` of groups of images, each a mask [N]. Groups without images are left out.

    `before` and `after` [N] say which images the two networks have right.
    """
    there = {name: mask for name, mask in groups.items() if mask.any()}
    counted = {
        "images": torch.ones_like(before),
        "was": before,
        "right": after,
        "lost": before & ~after,
        "gained": after & ~before,
    }
    columns: dict[str, list[Any]] = {"names": [*there], "kind": [kind] * len(there)}
    return columns | {title: [int(what[mask].sum()) for mask in there.values()] for title, what in counted.items()}
