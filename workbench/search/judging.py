"""How good a network of a space is, on validation images: after a short training, or with the weights of a supernet."""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass
from typing import Protocol, final

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from workbench.context import Report
from workbench.errors import Refused
from workbench.images import View
from workbench.measure._intervals import wilson
from workbench.models._train import Lesson
from workbench.result import Estimate
from workbench.search.supernet import Supernet, fresh
from workbench.space import Space
from workbench.training import Schedule, fit

_Z = 1.959963984540054
_WORST = 100.0
"""Nats of an image whose score is no number."""


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """How a network does on images that choices are made by."""

    right: tuple[bool, ...]
    accuracy: Estimate
    cross_entropy: Estimate
    """Mean, in nats. It ranks networks that get equally many images right, of which there are many: a validation split
    is small."""


class Judge(Protocol):
    """Says how good a network is."""

    def __call__(self, point: Space, report: Report) -> Verdict:
        """Return the verdict; the report raises `Cancelled` to stop."""


@final
class Brief:
    """Trains each network for some epochs, always with the same images in the same order."""

    def __init__(self, lesson: Lesson, epochs: float, classes: int) -> None:
        plan = lesson.plan
        self._lesson, self._classes = lesson, classes
        self._schedule = Schedule(epochs=epochs, lr=plan.lr, batch=plan.batch, weight_decay=plan.weight_decay)

    def __call__(self, point: Space, report: Report) -> Verdict:
        return verdict(self.trained(point, report), self._lesson.context.validation)

    def trained(self, point: Space, report: Report) -> nn.Module:
        """Return the network after its short training, as it was where that diverged."""
        network = fresh(point, self._classes, self._lesson.context.seed)
        ctx = dataclasses.replace(self._lesson.context, report=report)
        try:
            return fit(network, ctx, self._schedule, title="training", keep_best=False, augment=self._lesson.augment)
        except Refused:  # it diverged, and is judged as the network that it is
            return network.eval()


@final
class Shared:
    """Takes each network out of a supernet."""

    def __init__(self, lesson: Lesson, supernet: Supernet) -> None:
        self._lesson, self._supernet = lesson, supernet

    def __call__(self, point: Space, report: Report) -> Verdict:
        ctx = dataclasses.replace(self._lesson.context, report=report)
        return verdict(self._supernet.part(point, ctx), ctx.validation)


@torch.no_grad()
def verdict(network: nn.Module, view: View) -> Verdict:
    """Return how a network in evaluation mode does on some images, of which there must be one."""
    if not len(view):
        raise Refused("there are no validation images to judge by, expected at least one")
    parts = [(network(inputs), labels) for _, inputs, labels in view.batches(250)]
    scores, labels = (torch.cat(list(found)) for found in zip(*parts, strict=True))
    right = (scores.argmax(1) == labels) & ~scores.isnan().any(1)
    hits, n = int(right.sum()), len(right)
    low, high = wilson(hits, n)
    return Verdict(
        right=tuple(right.tolist()),
        accuracy=Estimate(value=hits / n, low=low, high=high, n=n, how="measured", unit="fraction"),
        cross_entropy=_mean(torch.nan_to_num(F.cross_entropy(scores, labels, reduction="none"), _WORST, _WORST)),
    )


def _mean(losses: Tensor) -> Estimate:
    n, mean = len(losses), float(losses.mean())
    half = _Z * float(losses.std()) / math.sqrt(n) if n > 1 else mean
    return Estimate(value=mean, low=max(0.0, mean - half), high=mean + half, n=n, how="measured", unit="nats")
