"""Trials: what a recipe does, measured on validation images beside the original, for everything that chooses.

A choice that is made on test images makes their number a flattering one. So searches ask here, and the test images see
only what was chosen.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor, nn

from workbench.compress import compress
from workbench.context import Cache, Report, ignore
from workbench.export.packed import pack
from workbench.forward import quickest
from workbench.graph import graph_of
from workbench.judging import divergences, judges, mean, scores
from workbench.measure._intervals import paired, wilson
from workbench.recipe import Recipe, digest
from workbench.result import Estimate
from workbench.run import Prepared

IMAGES = 1000
"""How many validation images judge, where there are as many."""
_BATCH = 64
"""Images run at a time: larger batches leave the caches of a CPU."""
_NETWORKS = 4
_TRIALS = 4096


@dataclass(frozen=True, kw_only=True)
class Judgement:
    """What the validation images say of a network beside the original."""

    divergence: Estimate
    """Mean divergence in nats of its class probabilities from the original's, with a bootstrap interval."""
    drop: Estimate
    """Accuracy of the original less that of this one on the same images, a fraction with a paired interval: what is
    above zero is lost."""
    accuracy: Estimate
    """On these validation images, not on the test images."""


@dataclass(frozen=True, kw_only=True)
class Trial:
    """A recipe, tried."""

    recipe: Recipe
    judgement: Judgement
    size_bytes: int
    """The length of its packed file."""
    macs: int
    """Multiply-adds for one image, as the measure `macs` counts them."""
    notes: tuple[str, ...] = ()


@final
class Trials:
    """Trials of one network on one data set, with the seed of its job; each recipe is tried once. Safe between threads.

    What is learnt is kept with what was prepared, so another `Trials` of the same images finds it. A score that is NaN
    counts as wrong and makes the divergence infinite; ties go to the first class.

    Raises `Refused` where there are no validation images.
    """

    def __init__(self, prepared: Prepared, *, images: int = IMAGES, report: Report = ignore) -> None:
        ctx = prepared.context
        self.prepared = prepared
        self.images = len(judges(ctx.validation, images, "a trial"))
        """How many validation images judge."""
        self._report = report
        self._kept = prepared.known.get(f"trials on {self.images}", lambda: Cache(_TRIALS))
        self._networks = prepared.known.get("networks of trials", lambda: Cache(_NETWORKS))

    def network(self, recipe: Recipe) -> nn.Module:
        """Return the network that a recipe makes, not to be changed; raises `Refused` as `compress` does."""
        return self._made(recipe)[0]

    def judge(self, network: nn.Module) -> Judgement:
        """Return what the validation images say of a network."""
        ctx = self.prepared.context
        wanted = self._kept.get("original", lambda: self._scores(ctx.original))
        got = self._scores(network)
        labels = ctx.validation.labels[: self.images].cpu()
        right, before = _right(got, labels), _right(wanted, labels)
        n, hits = self.images, int(right.sum())
        loss, gain = (int(found.sum()) / n for found in (before & ~right, right & ~before))
        low, high = paired(gain, loss, n)
        return Judgement(
            divergence=_measured(n, "nats", *mean(divergences(got, wanted), ctx.generator("resampled judges"))),
            drop=_measured(n, "fraction", loss - gain, -high, -low),
            accuracy=_measured(n, "fraction", hits / n, *wilson(hits, n)),
        )

    def of(self, recipe: Recipe) -> Trial:
        """Return the trial of a recipe, made now where there is none; raises `Refused` as `compress` does."""
        return self._kept.get(digest(recipe.to_dict()), lambda: self._tried(recipe))

    def known(self, recipe: Recipe) -> bool:
        """Return whether this recipe was tried before, so that its trial is there at once."""
        return self._kept.peek(digest(recipe.to_dict())) is not None

    def _tried(self, recipe: Recipe) -> Trial:
        network, notes = self._made(recipe)
        return Trial(
            recipe=recipe,
            judgement=self.judge(network),
            size_bytes=len(pack(network, self.prepared.about).data),
            macs=self._macs(network),
            notes=notes,
        )

    def _made(self, recipe: Recipe) -> tuple[nn.Module, tuple[str, ...]]:
        def make() -> tuple[nn.Module, tuple[str, ...]]:
            ctx = dataclasses.replace(self.prepared.context, report=self._report, notes=[], provisional=[])
            return compress(self.prepared.model, recipe, ctx), tuple(ctx.notes)

        return self._networks.get(digest(recipe.to_dict()), make)

    def _scores(self, network: nn.Module) -> Tensor:
        validation, images = self.prepared.context.validation, torch.arange(self.images)
        forward = quickest(network, validation.inputs(images[:_BATCH]))
        with torch.inference_mode():
            return scores(forward, validation, images, self._report, _BATCH).float().cpu()

    def _macs(self, network: nn.Module) -> int:
        """Return the multiply-adds for one image; networks of one structure are counted once."""
        shapes = [(name, str(type(module))) for name, module in network.named_modules()]
        key = repr((shapes, [tuple(parameter.shape) for parameter in network.parameters()]))
        image = self.prepared.context.calibration.inputs(torch.arange(1))
        return self._kept.get(key, lambda: graph_of(network, image).macs.total())


def _right(scores: Tensor, labels: Tensor) -> Tensor:
    return (scores.argmax(1) == labels) & ~scores.isnan().any(1)


def _measured(n: int, unit: str, value: float, low: float, high: float) -> Estimate:
    return Estimate(value=value + 0.0, low=low + 0.0, high=high + 0.0, how="measured", unit=unit, n=n)
