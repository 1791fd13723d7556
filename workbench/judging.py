"""What validation images say of a network beside the one it came from: the words in which choices are made.

Divergence is the mean Kullback-Leibler divergence in nats from the other network's class probabilities. It ranks
networks long before enough answers have flipped to tell their accuracies apart.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional as F

from workbench.context import Progress, Report, ignore
from workbench.errors import Refused
from workbench.images import View

BATCH = 128
RESAMPLED = 1000
"""How many times the images are drawn anew for an interval."""


def judges(validation: View, most: int, what: str) -> Tensor:
    """Return the numbers [N] of the validation images that judge; raises `Refused` where there are none."""
    if not len(validation) or most < 1:
        raise Refused(f"{what} needs validation images, got none")
    return torch.arange(min(most, len(validation)))


@torch.no_grad()
def scores(
    forward: Callable[[Tensor], Tensor], images: View, indices: Tensor, report: Report = ignore, batch: int = BATCH
) -> Tensor:
    """Return the scores [N, classes] of a network on some images; `report` is told after each batch."""
    found = []
    for part in indices.split(batch):
        found.append(forward(images.inputs(part)))
        done = sum(map(len, found))
        report(Progress(done / len(indices), f"judged by {done} of {len(indices)} validation images"))
    return torch.cat(found)


def divergences(scores: Tensor, wanted: Tensor) -> Tensor:
    """Return the divergence of each image [N] in float64, from the wanted scores [N, classes] to these."""
    ours, theirs = scores.double().log_softmax(1), wanted.double().log_softmax(1)
    return F.kl_div(ours, theirs, reduction="none", log_target=True).sum(1)


def mean(each: Tensor, generator: torch.Generator) -> tuple[float, float, float]:
    """Return the mean over images [N] with the ends of its 95 % interval, all infinite where one is not a number.

    The interval is that of the bootstrap (Efron 1979, https://doi.org/10.1214/aos/1176344552): a few images carry most
    of a divergence, so that it is not symmetric. Equal generators resample the same images.
    """
    if not torch.isfinite(each).all():
        return (math.inf,) * 3
    drawn = torch.randint(len(each), (RESAMPLED, len(each)), generator=generator)
    low, high = each.cpu()[drawn].mean(1).quantile(torch.tensor([0.025, 0.975], dtype=each.dtype)).tolist()
    return float(each.mean()), low, high
