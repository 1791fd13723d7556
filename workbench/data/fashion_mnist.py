"""Fashion-MNIST: 70,000 articles of clothing in the format of MNIST, and harder."""

from __future__ import annotations

from workbench.cards import Data, DataCard
from workbench.data._torchvision import open_splits
from workbench.registry import data

CARD = DataCard(
    name="fashion-mnist",
    title="Fashion-MNIST",
    summary="70,000 articles of clothing, 28x28 grey pixels. Downloaded once, 30 MB.",
    shape=(1, 28, 28),
    classes=("T-shirt", "trouser", "pullover", "dress", "coat", "sandal", "shirt", "sneaker", "bag", "ankle boot"),
    train=60_000,
    test=10_000,
    licence="MIT",
    source="Xiao, Rasul & Vollgraf 2017, https://github.com/zalandoresearch/fashion-mnist",
    mirror=True,
)
FILES = tuple(
    f"FashionMNIST/raw/{part}-{kind}"
    for part in ("train", "t10k")
    for kind in ("images-idx3-ubyte", "labels-idx1-ubyte")
)

data.register(Data(card=CARD, open=lambda ref: open_splits(ref, CARD, "FashionMNIST", FILES)))
