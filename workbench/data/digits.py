"""Digits: 1,797 real scans of handwritten digits, small enough to be shipped."""

from __future__ import annotations

import numpy as np
import torch

from workbench import resources
from workbench.cards import Data, DataCard
from workbench.data._splits import content_digest, stratified
from workbench.errors import Refused
from workbench.images import Splits, TensorImages
from workbench.registry import data
from workbench.result import DataRef

CARD = DataCard(
    name="digits",
    title="Digits (UCI)",
    summary="1,797 scans of handwritten digits, 8x8 pixels with 17 grey levels. Shipped, nothing to download.",
    shape=(1, 8, 8),
    classes=tuple("0123456789"),
    train=1197,
    test=600,
    licence="CC BY 4.0",
    source="Alpaydin & Kaynak 1998, UCI Machine Learning Repository, https://doi.org/10.24432/C50P49",
)


def open_splits(ref: DataRef) -> Splits:
    """Return the fixed splits: 60 images of each class for testing, the rest for training."""
    path = resources.datasets() / "digits" / "digits.npz"
    if not path.is_file():
        raise Refused(f"the shipped file {path} is missing: install the workbench again")
    with np.load(path, allow_pickle=False) as content:
        grey, labels = torch.from_numpy(content["images"]), torch.from_numpy(content["labels"]).long()
    pixels = (grey.float() * 255 / 16).round().byte().unsqueeze(1)
    train, test = stratified(labels, torch.full((10,), 60), seed=0)
    return Splits.carve(
        TensorImages(pixels[train], labels[train]),
        TensorImages(pixels[test], labels[test]),
        CARD.classes,
        content_digest(pixels[train], labels[train], pixels[test], labels[test]),
    )


data.register(Data(card=CARD, open=open_splits))
