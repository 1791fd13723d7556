"""Which test images to run next: many of those that may flip, few of those that hardly do.

Images near the decision boundary of the original flip most, and those far from it almost never. So they are grouped by
whether the original is right and by its margin: in one stratum the only unknown is the share of flips. That makes
pairing and plain sampling one and the same estimate; what differs is where the images are spent, and for a broken
network, where everything flips, they end up spread evenly.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from workbench.measure._flips import Guess, Side

_CUTS = {True: (0.05, 0.1, 0.2, 0.35, 0.6), False: (0.3, 0.6)}
"""Where images that the original has right (True) or wrong are cut, by rank of margin: finer where more flips."""
_LEAST = 8
"""Images in a stratum at the least, where there are so many."""
_EVEN = 0.4
"""The share of the images that is spread evenly whatever was seen, so that no stratum is starved."""


class Guesses(NamedTuple):
    """What is thought of the images that were not run: those that the original has right, and those it has wrong."""

    losses: Guess
    gains: Guess


class Strata:
    """The test images in strata, each in the random order in which they are drawn.

    That order is fixed before anything is run, so a stratum's images are a fair sample of it however many are taken.
    """

    def __init__(self, right: Tensor, margin: Tensor, order: Tensor) -> None:
        """Group images by `right` [N] and `margin` [N] of the original; `order` [N] is random."""
        rank = torch.empty_like(order)
        rank[order] = torch.arange(len(order))
        self.members: list[Tensor] = []
        self._sides: list[Side] = []
        for is_right in (True, False):
            images = torch.nonzero(right == is_right).flatten()
            images = images[torch.sort(margin[images], stable=True).indices]
            bounds = _bounds(len(images), _CUTS[is_right])
            self._sides.append(Side(bounds))
            parts = images.tensor_split(bounds[1:-1]) if len(bounds) > 1 else ()
            self.members.extend(part[torch.argsort(rank[part])] for part in parts)
        self._split = [len(side.sizes) for side in self._sides]

    def between(self, start: Tensor, stop: Tensor) -> Tensor:
        """Return the images from `start` [H] to `stop` [H] of each stratum."""
        spans = zip(self.members, start.long().tolist(), stop.long().tolist(), strict=True)
        return torch.cat([images[a:b] for images, a, b in spans])

    def count(self, flips: Tensor) -> Tensor:
        """Return how many of the flips [N] are in each stratum [H]."""
        return torch.stack([flips[images].sum() for images in self.members]).double()

    def guess(self, seen: Tensor, flipped: Tensor) -> Guesses:
        """Return what is thought after `flipped` [H] of `seen` [H] images flipped."""
        parts = zip(self._sides, seen.split(self._split), flipped.split(self._split), strict=True)
        return Guesses(*(side.guess(n, k) for side, n, k in parts))

    def allot(self, guesses: Guesses, seen: Tensor, total: int) -> Tensor:
        """Return how many images [H] of each stratum to have run when `total` are, none fewer than `seen` [H].

        A stratum gets in proportion to its size and to how much one of its images tells, the standard deviation of a
        flip (Neyman 1934, https://doi.org/10.2307/2342192), and some in proportion to its size alone.
        """
        sizes = torch.cat([side.sizes for side in self._sides])
        rates = torch.cat([guess.rates for guess in guesses])
        telling = sizes * torch.sqrt(rates * (1 - rates))
        wanted = _EVEN * sizes / sizes.sum() + (1 - _EVEN) * telling / telling.sum()
        return _filled(sizes, seen, wanted, total)


def _bounds(n: int, cuts: tuple[float, ...]) -> list[int]:
    """Return where to cut n images that are sorted by margin, from 0 to n."""
    bounds = [0]
    for cut in cuts:
        at = round(cut * n)
        if at - bounds[-1] >= _LEAST and n - at >= _LEAST:
            bounds.append(at)
    return [*bounds, n] if n else bounds


def _filled(sizes: Tensor, least: Tensor, wanted: Tensor, total: int) -> Tensor:
    """Return whole numbers that sum to the total, in proportion to `wanted` as far as `least` and `sizes` allow."""
    low, high = 0.0, float((sizes / wanted).max())
    for _ in range(60):
        level = (low + high) / 2
        reached = torch.clamp(level * wanted, least, sizes).sum() >= total
        low, high = (low, level) if reached else (level, high)
    exact = torch.clamp(high * wanted, least, sizes)
    filled = exact.floor()
    by_rest = torch.argsort(exact - filled, descending=True, stable=True)
    filled[by_rest[: total - int(filled.sum())]] += 1
    return filled
