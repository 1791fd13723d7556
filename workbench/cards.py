"""What models and data sets say about themselves, and the two kinds of entry that carry a card."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import nn

    from workbench.images import Splits
    from workbench.result import DataRef

Shape = tuple[int, int, int]
"""Channels, height, width."""


@dataclass(frozen=True, kw_only=True)
class ModelCard:
    """What a person must know to use a network. Pixels are in [0, 1] before `mean` is taken away and `std` divides."""

    name: str
    title: str
    summary: str
    input_shape: Shape | None
    """None: the network takes images as the data set has them."""
    mean: tuple[float, ...]
    std: tuple[float, ...]
    classes: int | None
    parameters: int | None
    data: tuple[str, ...]
    """Data sets that the network is meant for; the first is the one it is trained on by default."""
    licence: str
    paper: str


@dataclass(frozen=True, kw_only=True)
class Training:
    """How `workbench train` makes the weights: enough to repeat it."""

    epochs: float
    lr: float
    batch: int = 64
    weight_decay: float = 5e-4
    augment: bool = False
    """Random shifts by up to an eighth of the width, and mirror images where the data set's card allows them."""


@dataclass(frozen=True, kw_only=True)
class Model:
    """A registered network: its card, the function that builds it with fresh weights, how it is trained."""

    card: ModelCard
    build: Callable[[], nn.Module]
    build_for: Callable[[int], nn.Module] | None = None
    """Builds it for another number of classes than its card's, where that is possible."""
    training: Training | None = None
    pretrained: Callable[[], nn.Module] | None = None
    """Builds it with its publisher's own weights, downloading them if need be; raises `Refused` without a network."""

    @property
    def name(self) -> str:
        return self.card.name


@dataclass(frozen=True, kw_only=True)
class DataCard:
    """What a person must know of a data set."""

    name: str
    title: str
    summary: str
    shape: Shape
    classes: tuple[str, ...]
    train: int
    test: int
    licence: str
    source: str
    mirror: bool = False
    """Whether a mirror image still shows the same class."""


@dataclass(frozen=True, kw_only=True)
class Data:
    """A registered data set: its card and the function that opens its fixed splits."""

    card: DataCard
    open: Callable[[DataRef], Splits]

    @property
    def name(self) -> str:
        return self.card.name
