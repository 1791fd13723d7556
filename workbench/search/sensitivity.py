"""Sensitivity: what each layer bears, each compressed alone and measured on validation images.

First every layer is tried at the harshest setting on a few images. Then those that lost most come first, at all
settings and on all images. Beside what was measured stands the cheap score that a solver would go by.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import nn

from workbench.context import Cache, Progress, Report, ignore
from workbench.errors import Refused
from workbench.network import layers
from workbench.recipe import PerLayer, Recipe, Step, digest, overridable
from workbench.registry import techniques as known_techniques
from workbench.result import Estimate, Job
from workbench.run import Prepared, prepare
from workbench.search._layer_scores import LayerScores
from workbench.search.ranks import rank_correlation
from workbench.search.trial import Judgement, Trials

IMAGES = 512
"""How many validation images judge in the end."""
FIRST_IMAGES = 128
"""How many judge in the first pass."""
_SETTINGS = 3
"""How many values are tried where nobody names them."""
_KEPT = 8192
_CLOSE = 0.8
"""The rank correlation from which on two orders count as the same, in words."""
_CLUELESS = "cannot be shown to rank layers as"


@dataclass(frozen=True, kw_only=True)
class Sensitivity:
    """What one technique does to one layer at one value, all other layers being as they were."""

    layer: str
    technique: str
    value: Any
    judgement: Judgement | None = None
    """None where the technique can do nothing to this layer at this value."""
    why: str = ""
    """Why there is nothing to judge, or nothing."""
    score: float | None = None
    """The share of its outputs' variance that the layer loses, reading what it reads in the original: what a solver
    goes by. None where it has lost outputs themselves."""
    saved_bytes: int = 0
    """By how much the packed file is smaller than that of the original."""
    rough: bool = False
    """Whether it is of the first pass, so that one on more images may follow."""
    seconds: float = 0.0
    """What it took to measure, whenever that was."""
    done: int = 0
    """How many settings of layers are settled by now, out of `of`."""
    of: int = 0


def sensitivity(
    asked: Job | Prepared,
    *,
    techniques: Iterable[str] | None = None,
    values: Mapping[str, Sequence[Any]] | None = None,
    images: int = IMAGES,
    report: Report = ignore,
    user_code: bool = True,
) -> Iterator[Sensitivity]:
    """Yield what each layer loses to each technique at each value, the most telling layers first.

    Techniques are those of `overridable`, all of them by default; values are by technique, by default the first few
    that people try. Methods are the usual ones: which is best is a question to a contest. A later item for the same
    layer and value stands on more images and takes the place of the earlier one.

    Raises `Refused` for a recipe that is not empty, an unknown technique, a value out of range, and where there are no
    validation images.
    """
    if isinstance(asked, Job) and asked.recipe.steps:
        raise Refused(
            f"sensitivity is that of the network as it is, one layer at a time: expected no steps, got {asked.recipe}"
        )
    steps = {step: _values(step, values or {}) for step in map(usual, _chosen(techniques))}
    prepared = prepare(asked, report=report, user_code=user_code) if isinstance(asked, Job) else asked
    yield from _Search(prepared, steps, images, report).items()


def usual(technique: type[Step]) -> Step:
    """Return a technique with the method that is taken without a contest."""
    return technique(**technique.rivals[0]) if technique.rivals else technique()


def harshest_first(technique: type[Step], values: Iterable[Any]) -> tuple[Any, ...]:
    """Return values by how far they are from the neutral one, the farthest in front."""
    return tuple(sorted(set(values), key=lambda value: -abs(value - technique.neutral)))


def agreement(found: Iterable[Sensitivity]) -> Estimate | None:
    """Return the rank correlation of cheap score and measured divergence; None where there are too few to tell."""
    both = [
        (item.score, item.judgement.divergence.value) for item in found if item.score is not None and item.judgement
    ]
    return rank_correlation([score for score, _ in both], [measured for _, measured in both])


def agreement_words(found: Estimate | None) -> str:
    """Return in words whether the cheap score puts layers in the order of the measurement."""
    if found is None:
        return "too few settings to tell whether the cheap score ranks layers as the measurement does"
    claim = "ranks layers as" if found.low >= _CLOSE else "ranks layers roughly as" if found.low > 0 else _CLUELESS
    return (
        f"the cheap score {claim} the measurement does: Spearman {found.value:.2f} [{found.low:.2f}, {found.high:.2f}]"
    )


def _chosen(names: Iterable[str] | None) -> list[type[Step]]:
    able = overridable()
    if names is None:
        return able
    for name in names:
        if known_techniques.get(name) not in able:
            raise Refused(
                f"{name} has no setting for a layer alone; techniques that have are "
                f"{', '.join(technique.name for technique in able)}"
            )
    return [technique for technique in able if technique.name in set(names)]


def _values(step: Step, values: Mapping[str, Sequence[Any]]) -> tuple[Any, ...]:
    (spec,) = (item.spec.item for item in step.fields() if isinstance(item.spec, PerLayer))
    given = values.get(step.name) or step.positions[:_SETTINGS]
    checked = [spec.check(f"{step.name}.{step.slider}", value) for value in given]
    found = harshest_first(type(step), (value for value in checked if value != step.neutral))
    if not found:
        raise Refused(f"{step.name}: expected a value of {step.slider} other than {step.neutral}, which does nothing")
    return found


class _Search:
    def __init__(self, prepared: Prepared, steps: Mapping[Step, tuple[Any, ...]], images: int, report: Report) -> None:
        self._layers, self._original, self._steps = prepared.layers, prepared.context.original, steps
        self._report, self._about = report, ""
        self._scores = prepared.known.get("layer scores", lambda: LayerScores(prepared.context))
        self._kept = prepared.known.get("sensitivities", lambda: Cache(_KEPT))
        self._first = Trials(prepared, images=min(images, FIRST_IMAGES), report=self._tell)
        self._last = Trials(prepared, images=images, report=self._tell)
        self._of = len(self._layers) * sum(map(len, steps.values()))
        self._done = 0
        self._ran, self._runs = 0, self._of + (len(self._layers) * len(steps) if self._rough else 0)

    @property
    def _rough(self) -> bool:
        """Whether the first pass is on fewer images."""
        return self._first.images < self._last.images

    def items(self) -> Iterator[Sensitivity]:
        lost: dict[str, float] = dict.fromkeys(self._layers, -1.0)
        idle = set()
        for step, values in self._steps.items():
            for layer in self._layers:
                item = self._item(self._first, step, layer, values[0])
                if item.judgement is None:
                    idle.add((step, layer))
                    self._skip(len(values) - (0 if self._rough else 1), len(values))
                else:
                    lost[layer] = max(lost[layer], item.judgement.divergence.value)
                yield self._counted(item)
        for layer in sorted(lost, key=lambda name: -lost[name]):
            for step, values in self._steps.items():
                for value in values if self._rough else values[1:]:
                    if (step, layer) not in idle:
                        yield self._counted(self._item(self._last, step, layer, value))

    def _item(self, trials: Trials, step: Step, layer: str, value: Any) -> Sensitivity:
        self._about = f"{layer} at {step.slider} {value}"
        recipe = Recipe((step.alone(layer, value),))
        key = f"{trials.images}/{digest(recipe.to_dict())}"
        found: Sensitivity = self._kept.get(key, lambda: self._measured(trials, recipe, layer, value))
        self._ran += 1
        return replace(found, rough=trials.images < self._last.images)

    def _counted(self, item: Sensitivity) -> Sensitivity:
        self._done += not item.rough and item.judgement is not None
        return replace(item, done=self._done, of=self._of)

    def _skip(self, runs: int, settings: int) -> None:
        self._ran += runs
        self._done += settings

    def _measured(self, trials: Trials, recipe: Recipe, layer: str, value: Any) -> Sensitivity:
        start = time.perf_counter()
        (step,) = recipe.steps
        item = Sensitivity(layer=layer, technique=step.name, value=value)
        try:
            trial = trials.of(recipe)
        except Refused as refusal:
            return replace(item, why=str(refusal), seconds=time.perf_counter() - start)
        network = trials.network(recipe)
        if _same(self._original, network, layer, step):
            why = f"{step.title.lower()} leaves this layer as it is"
            return replace(item, why=why, seconds=time.perf_counter() - start)
        return replace(
            item,
            judgement=trial.judgement,
            score=self._scores.of(layer, network),
            saved_bytes=trials.of(Recipe()).size_bytes - trial.size_bytes,
            seconds=time.perf_counter() - start,
        )

    def _tell(self, progress: Progress) -> None:
        fraction = (self._ran + progress.fraction) / max(1, self._runs)
        self._report(Progress(min(1.0, fraction), self._about or progress.message))


def _same(original: nn.Module, network: nn.Module, layer: str, step: Step) -> bool:
    """Return whether a step has left a layer as it was; surgery, whether it has cut nothing at all."""
    if step.approximates:
        return torch.equal(layers(original)[layer].weight, layers(network)[layer].weight)
    before, after = original.state_dict(), network.state_dict()
    return before.keys() == after.keys() and all(after[name].shape == before[name].shape for name in before)
