"""CIFAR-10: 60,000 small photographs of ten kinds of things."""

from __future__ import annotations

from workbench.cards import Data, DataCard
from workbench.data._torchvision import open_splits
from workbench.registry import data

CARD = DataCard(
    name="cifar10",
    title="CIFAR-10",
    summary="60,000 photographs of ten kinds of things, 32x32 colour pixels. Downloaded once, 170 MB.",
    shape=(3, 32, 32),
    classes=("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"),
    train=50_000,
    test=10_000,
    licence="none stated; for research",
    source="Krizhevsky 2009, https://www.cs.toronto.edu/~kriz/cifar.html",
    mirror=True,
)
# torchvision unpickles these files, but only after it has compared each with its published checksum
FILES = tuple(
    f"cifar-10-batches-py/{name}"
    for name in (*(f"data_batch_{number}" for number in range(1, 6)), "test_batch", "batches.meta")
)

data.register(Data(card=CARD, open=lambda ref: open_splits(ref, CARD, "CIFAR10", FILES)))
