"""MNIST: 70,000 handwritten digits."""

from __future__ import annotations

from workbench.cards import Data, DataCard
from workbench.data._torchvision import open_splits
from workbench.registry import data

CARD = DataCard(
    name="mnist",
    title="MNIST",
    summary="70,000 handwritten digits, 28x28 grey pixels. Downloaded once, 11 MB.",
    shape=(1, 28, 28),
    classes=tuple("0123456789"),
    train=60_000,
    test=10_000,
    licence="CC BY-SA 3.0",
    source="LeCun, Cortes & Burges 1998, https://yann.lecun.com/exdb/mnist/",
)
FILES = tuple(
    f"MNIST/raw/{part}-{kind}" for part in ("train", "t10k") for kind in ("images-idx3-ubyte", "labels-idx1-ubyte")
)

data.register(Data(card=CARD, open=lambda ref: open_splits(ref, CARD, "MNIST", FILES)))
