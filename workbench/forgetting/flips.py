"""Which images are answered otherwise than before, and what is mistaken for what more often.

An image that was right and is wrong now is called lost, one that it is the other way round with gained: negative and
positive flips (Yan et al. 2021, "Positive-Congruent Training: Towards Regression-Free Model Updates").
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from workbench.forgetting.parts import share
from workbench.measure._answers import Answers
from workbench.measure._intervals import paired, quantile
from workbench.result import Estimate

SHOWN = 12
"""How many images of each direction are shown at the most."""
CONFUSIONS = 8


@dataclass(frozen=True, kw_only=True)
class Flip:
    """One image: its number, its class, and both answers by number, each with how sure the network is of it."""

    index: int
    label: int
    was: int
    was_confidence: float
    now: int
    now_confidence: float


@dataclass(frozen=True, kw_only=True)
class Flips:
    """Images whose answer has changed, as shares of all: each image is in one of the three, or has its answer still."""

    lost: Estimate
    """Right before, wrong now."""
    gained: Estimate
    """Wrong before, right now."""
    other: Estimate
    """Wrong before and now, with another answer."""
    changed: Estimate
    """All three together."""
    lost_images: tuple[Flip, ...]
    """At most `SHOWN` of them, drawn at random."""
    gained_images: tuple[Flip, ...]

    @property
    def shown(self) -> tuple[Flip, ...]:
        """The images that are shown, those that were lost first."""
        return (*self.lost_images, *self.gained_images)


@dataclass(frozen=True, kw_only=True)
class Confusion:
    """One class that is taken for another."""

    label: str
    answer: str
    before: int
    """How many images."""
    after: int
    images: int
    """How many the class has."""
    growth: Estimate
    """The share of the class that is now taken so, less that of before; all confusions hold together."""


def flips(left: Answers, right: Answers, generator: torch.Generator) -> Flips:
    """Return what changed between two networks that were asked about all images."""
    n = len(left.labels)
    lost, gained = left.right & ~right.right, right.right & ~left.right
    other = ~left.right & ~right.right & (left.answer != right.answer)
    order = torch.randperm(n, generator=generator)
    return Flips(
        lost=share(int(lost.sum()), n),
        gained=share(int(gained.sum()), n),
        other=share(int(other.sum()), n),
        changed=share(int((lost | gained | other).sum()), n),
        lost_images=_some(order[lost[order]], left, right),
        gained_images=_some(order[gained[order]], left, right),
    )


def _some(images: Tensor, left: Answers, right: Answers) -> tuple[Flip, ...]:
    images = images[:SHOWN]
    columns = (images, left.labels[images], left.answer[images], left.confidence[images], right.answer[images])
    rows = zip(*(column.tolist() for column in (*columns, right.confidence[images])), strict=True)
    return tuple(Flip(index=i, label=y, was=a, was_confidence=p, now=b, now_confidence=q) for i, y, a, p, b, q in rows)


def confusions(left: Answers, right: Answers, names: Sequence[str]) -> tuple[Confusion, ...]:
    """Return the confusions that grew most, at most `CONFUSIONS`: of every class with every other one."""
    number = len(names)
    labels = left.labels
    images = torch.bincount(labels, minlength=number)
    differ = left.answer != right.answer
    pair = labels * number

    def count(chosen: Tensor, answers: Answers) -> Tensor:
        return torch.bincount((pair + answers.answer)[chosen], minlength=number * number).reshape(number, number)

    every = torch.ones_like(differ)
    came, went, before, after = (
        count(mask, who) for mask, who in ((differ, right), (differ, left), (every, left), (every, right))
    )
    growth = (came - went).fill_diagonal_(0)
    z = quantile(int((images > 0).sum()) * (number - 1))
    found = []
    for place in torch.argsort(growth.flatten(), descending=True, stable=True)[:CONFUSIONS].tolist():
        label, answer = divmod(place, number)
        if growth[label, answer] <= 0:
            break
        n = int(images[label])
        gain, loss = int(came[label, answer]), int(went[label, answer])
        low, high = paired(gain / n, loss / n, n, z)
        found.append(
            Confusion(
                label=names[label],
                answer=names[answer],
                before=int(before[label, answer]),
                after=int(after[label, answer]),
                images=n,
                growth=Estimate(value=(gain - loss) / n, low=low, high=high, how="measured", unit="fraction", n=n),
            )
        )
    return tuple(found)
