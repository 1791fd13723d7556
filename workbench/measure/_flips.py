"""What is thought of the flips among images that were not run, given those that were.

An image flips where a compressed network is right and the original wrong, or the other way round.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from workbench.measure._counts import counts
from workbench.measure._intervals import Interval

_EDGES = (0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.97)
_REACHES = (0.012, 0.025, 0.05, 0.1, 0.15, 0.22, 0.35, 0.6, 1.2)
_FLOORS = (0.0002, 0.001, 0.003, 0.01, 0.03, 0.08, 0.2, 0.4, 0.6, 0.8, 0.9, 0.97)
_LIKENESS = 20.0
"""How many images' worth a profile says about one stratum: networks do not follow an exponential exactly."""
_DOUBT = 1.15
"""What variances are multiplied by, because this is a model: intervals then hold in 97 of 100 simulated streams."""


@dataclass(frozen=True)
class Guess:
    """What is thought of the images of one side that were not run."""

    flips: float
    """How many of them flip."""
    interval: Interval
    """The 95 % interval of that number."""
    rates: Tensor
    """The share of flips in each stratum [H]."""


class Side:
    """The images that the original has right, or those that it has wrong, in strata from near the boundary to far.

    The share of flips at margin rank u in [0, 1] is thought to be `floor + (edge - floor) exp(-u / reach)`, which holds
    networks that are hardly touched, where only the boundary flips, and broken ones, where all flips alike. The three
    are never known: each of several hundred combinations counts by how well it explains the flips seen so far. A
    stratum may differ from the profile: its share has a beta distribution about it, worth `_LIKENESS` images and never
    surer than one flip.

    This is inference about a finite population (Ericson 1969, J. Royal Statistical Society B 31, 195): what was run is
    counted, what was not is predicted. The mean of each stratum would be biased by taking more images where flips were
    seen, by up to half a point here, and would think that a stratum without a flip so far has none.
    """

    def __init__(self, bounds: Sequence[int]) -> None:
        self.sizes = torch.tensor([b - a for a, b in itertools.pairwise(bounds)], dtype=torch.float64)
        profiles, self._prior = _profiles(torch.tensor(bounds, dtype=torch.float64) / bounds[-1])
        worth = _LIKENESS + 1 / torch.minimum(profiles, 1 - profiles)
        self._flip, self._stay = worth * profiles, worth * (1 - profiles)

    def guess(self, seen: Tensor, flipped: Tensor) -> Guess:
        """Return what is thought after `flipped` [H] of `seen` [H] images flipped."""
        flip, stay = self._flip + flipped, self._stay + (seen - flipped)
        both, rest = flip + stay, self.sizes - seen
        fit = (_log_beta(flip, stay) - _log_beta(self._flip, self._stay)).sum(1)
        weight = torch.softmax(self._prior + fit, 0)
        share = flip / both
        expected = (rest * share).sum(1)
        within = (rest * share * (stay / both) * (both + rest) / (both + 1)).sum(1)
        mean = float(weight @ expected)
        variance = _DOUBT * float(weight @ (within + (expected - mean) ** 2))
        return Guess(mean, counts(mean, variance, int(rest.sum())), weight @ share)


def _profiles(bounds: Tensor) -> tuple[Tensor, Tensor]:
    """Return mean shares of flips by stratum [P, H] of every profile, and the logarithm of how likely it is before."""
    a, b = bounds[:-1], bounds[1:]
    decays = torch.stack([r * (torch.exp(-a / r) - torch.exp(-b / r)) / (b - a) for r in _REACHES])
    shares, weights = [], []
    for floor in _FLOORS:
        shares.append(torch.full((1, len(a)), floor, dtype=torch.float64))
        weights.append(torch.full((1,), float(len(_REACHES))))
        for edge in _EDGES:
            if edge > floor:
                shares.append(floor + (edge - floor) * decays)
                weights.append(torch.ones(len(_REACHES)))
    weight = torch.cat(weights).double()
    return torch.cat(shares), torch.log(weight / weight.sum())


def _log_beta(a: Tensor, b: Tensor) -> Tensor:
    return torch.lgamma(a) + torch.lgamma(b) - torch.lgamma(a + b)
