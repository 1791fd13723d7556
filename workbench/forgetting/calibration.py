"""Whether a network is as sure as it may be: of the images that it is 80 % sure of, 80 % should be right.

How sure it is of an image, its confidence, is the probability that it gives to its answer. Images are put into `BINS`
bins of equal width by that, with the upper edge in the bin. The expected calibration error is the mean over images of
the distance, bin by bin, between how sure the network is and how often it is right (Naeini, Cooper and Hauskrecht 2015,
https://doi.org/10.1609/aaai.v29i1.9602). On few images it is never nought, however good the network: `chance` says what
would be seen without any error.

Distances only add, so a sample shows too large an error, and one drawn from that sample a still larger one: an interval
from the quantiles of such errors leaves out the true one far more often than once in twenty. What the bootstrap does
tell is how far, in all bins together, a sample is off (`_off`), and the error cannot be off by more than that. An
interval so made is wider than need be where there is an error. Where there is none it held in 93 to 94 % of simulated
samples of 100 images, and in 94 to 99 % of those of 300 to 2,000.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from workbench.forgetting.parts import share
from workbench.result import Estimate

BINS = 10
RESAMPLED = 1000
"""How many times the images are drawn anew for an interval."""
_AT_ONCE = 100
_ENDS = torch.tensor([0.025, 0.975], dtype=torch.float64)


@dataclass(frozen=True, kw_only=True)
class Bin:
    """The images of which a network is about equally sure."""

    low: float
    high: float
    images: int
    confidence: float
    """How sure the network is of them, in the mean."""
    right: Estimate
    """The share of them that is right."""


@dataclass(frozen=True, kw_only=True)
class Calibration:
    """How sure a network is, beside how often it is right."""

    bins: tuple[Bin, ...]
    """Those with images, the least sure first."""
    error: Estimate
    """The expected calibration error; how far its interval holds is said above."""
    chance: float
    """The error that 95 of 100 samples as large stay below, of a network that is as sure as it should be."""
    confidence: Estimate
    """How sure the network is in the mean."""
    over: Estimate
    """That less the share that is right: above zero it is too sure."""


@dataclass(frozen=True, kw_only=True)
class Calibrations:
    """Two networks on the same images. Intervals are from the bootstrap over images, drawn for both together."""

    before: Calibration
    after: Calibration
    over: Estimate
    """By how much the network has become more sure than right."""


def calibrations(
    confidence: tuple[Tensor, Tensor], right: tuple[Tensor, Tensor], generator: torch.Generator
) -> Calibrations:
    """Compare how sure two networks are [N] each with who is right [N] each."""
    gaps = [confidence[side].double() - right[side].double() for side in (0, 1)]
    columns = torch.cat(
        [torch.cat([_by_bin(confidence[k], gaps[k]), confidence[k].double()[:, None]], 1) for k in (0, 1)], 1
    )
    drawn = resampled(columns, generator).split(BINS + 1, 1)
    n = len(columns)

    def estimate(value: float, samples: Tensor) -> Estimate:
        low, high = samples.quantile(_ENDS).tolist()
        return Estimate(value=value, low=low, high=high, how="measured", unit="fraction", n=n)

    values = columns.mean(0).split(BINS + 1)
    before, after = (
        Calibration(
            bins=_bins(confidence[k], right[k]),
            error=_error(values[k], drawn[k], n),
            chance=_chance(confidence[k], generator),
            confidence=estimate(float(values[k][-1]), drawn[k][:, -1]),
            over=estimate(float(gaps[k].mean()), drawn[k][:, :-1].sum(1)),
        )
        for k in (0, 1)
    )
    return Calibrations(
        before=before,
        after=after,
        over=estimate(after.over.value - before.over.value, drawn[1][:, :-1].sum(1) - drawn[0][:, :-1].sum(1)),
    )


def resampled(columns: Tensor, generator: torch.Generator) -> Tensor:
    """Return the means [RESAMPLED, C] of columns [N, C] over images that are drawn anew, with replacement."""
    return _repeatedly(lambda counts: counts @ columns / len(columns), len(columns), generator)


def interval_of_mean(values: Tensor, generator: torch.Generator) -> Estimate:
    """Return the mean of a share-like number over images [N] with its interval by the bootstrap."""
    low, high = resampled(values.double()[:, None], generator)[:, 0].quantile(_ENDS).tolist()
    return Estimate(
        value=float(values.double().mean()), low=low, high=high, how="measured", unit="fraction", n=len(values)
    )


def _repeatedly(use: Callable[[Tensor], Tensor], n: int, generator: torch.Generator) -> Tensor:
    found = []
    for _ in range(RESAMPLED // _AT_ONCE):
        drawn = torch.randint(n, (_AT_ONCE, n), generator=generator)
        counts = torch.zeros(_AT_ONCE, n, dtype=torch.float64)
        found.append(use(counts.scatter_add_(1, drawn, torch.ones_like(counts))))
    return torch.cat(found)


def _numbers(confidence: Tensor) -> Tensor:
    """Return the bin [N] of each image."""
    return torch.bucketize(confidence.double(), torch.linspace(0, 1, BINS + 1, dtype=torch.float64)[1:-1])


def _by_bin(confidence: Tensor, values: Tensor) -> Tensor:
    """Return values [N] in the columns of their bins [N, BINS], zeros elsewhere."""
    spread = torch.zeros(len(confidence), BINS, dtype=torch.float64)
    return spread.scatter_(1, _numbers(confidence)[:, None], values[:, None])


def _errors(means: Tensor) -> Tensor:
    return means[..., :BINS].abs().sum(-1)


def _error(means: Tensor, drawn: Tensor, n: int) -> Estimate:
    """Return the error of gaps by bin [BINS], of which `drawn` [RESAMPLED, BINS] are drawn anew."""
    value, off = float(_errors(means)), _off(means, drawn)
    low, high = max(0.0, value - off), min(1.0, value + off)
    return Estimate(value=value, low=low, high=high, how="measured", unit="fraction", n=n)


def _off(means: Tensor, drawn: Tensor) -> float:
    """Return how far the gaps of 95 of 100 samples are off, added up over the bins."""
    return float(_errors(drawn - means).quantile(0.95))


def _chance(confidence: Tensor, generator: torch.Generator) -> float:
    probability = confidence.double()
    spread = _by_bin(confidence, torch.ones_like(probability))
    found = []
    for _ in range(RESAMPLED // _AT_ONCE):
        right = torch.rand(_AT_ONCE, len(confidence), dtype=torch.float64, generator=generator) < probability
        found.append(_errors((probability - right.double()) @ spread / len(confidence)))
    return float(torch.cat(found).quantile(0.95))


def _bins(confidence: Tensor, right: Tensor) -> tuple[Bin, ...]:
    numbers = _numbers(confidence)
    found = []
    for number in range(BINS):
        inside = numbers == number
        if n := int(inside.sum()):
            found.append(
                Bin(
                    low=number / BINS,
                    high=(number + 1) / BINS,
                    images=n,
                    confidence=float(confidence[inside].double().mean()),
                    right=share(int(right[inside].sum()), n),
                )
            )
    return tuple(found)
