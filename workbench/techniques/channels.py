"""Structured pruning: whole channels leave the network, which comes out smaller in every file and on every machine."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, final

import torch
from torch import Tensor, nn

from workbench.context import Context
from workbench.errors import Refused
from workbench.network import clone, layers
from workbench.recipe import Choice, Control, Layers, PerLayer, Range, Step
from workbench.registry import techniques
from workbench.techniques._channel_groups import Group, Structure, largest_passing, structure, without
from workbench.techniques._channel_surgery import norms
from workbench.techniques._own_settings import own_settings
from workbench.techniques._ranking import lamp, without_lowest

_RATIO = Range(0, 0.9, 0.01, "share of the channels removed, among those that can be", percent=True)
_NAMED = 8
"""Names in a note, before "and 12 more"."""


@techniques.register
@final
@dataclass(frozen=True, kw_only=True)
class Channels(Step):
    """Remove the channels of smallest score, with everything that reads them.

    Channels that a sum or a product ties together go together and count as one. Their score is the L2 norm of all that
    would leave. For `global`, LAMP makes the scores of a group comparable with those of others, as it does for single
    weights: a trained ResNet-20 without 30 % of its channels then knew 48 % of 1000 training images, and only 17 % when
    scores were divided by the mean of their group. `random` is the control. Ties go by position: the earlier leaves.
    """

    name = "channels"
    title = "Channel pruning"
    summary = "Takes whole channels out, so that the network really is narrower: smaller and faster without tricks."
    paper = (
        "Li et al. 2017, https://arxiv.org/abs/1608.08710; what goes together: Fang et al. 2023 (DepGraph), "
        "https://arxiv.org/abs/2301.12900; one ranking: Lee et al. 2021 (LAMP), https://arxiv.org/abs/2010.07611"
    )
    hurts_when = (
        "Nearly always without training afterwards: a channel carries more than its smallest weights. "
        "Narrow networks lose most, and the channels of a residual stream hurt more than those inside a block."
    )
    order = 10
    control = Control("random channels", {"score": "random"})
    flags = {"channels": "ratio"}

    ratio: Annotated[float, _RATIO] = 0.3
    scope: Annotated[str, Choice("global", "layer", help="one ranking for all layers, or the same share of each")] = (
        "global"
    )
    score: Annotated[str, Choice("magnitude", "random", help="what says how much a channel matters")] = "magnitude"
    multiple: Annotated[int, Choice(1, 4, 8, help="widths that remain are multiples of this, rounded up")] = 1
    layers: Annotated[Layers, PerLayer(_RATIO, "a ratio of their own for some layers; tied ones take the lowest")] = ()

    def apply(self, model: nn.Module, ctx: Context) -> nn.Module:
        own = own_settings(self.name, self.layers, layers(model))
        if not any((self.ratio, *own.values())):
            return clone(model).eval()
        found = structure(model, ctx)
        if found.whole:
            ctx.note(f"channel pruning left whole: {_listed(found.whole)}")
        able = {name for group in found.groups for name in group.layers}
        if idle := [name for name in own if name not in able]:
            ctx.note(f"channel pruning has nothing to remove in {_listed(idle)}")
        scores = self._scores(model, found, ctx)
        keeps = self._keeps(found.groups, scores, own)
        keeps = snapped(keeps, scores, found, self.multiple)
        dropped = [group.labels[~keep] for group, keep in zip(found.groups, keeps, strict=True)]
        return self._removed(model, found, dropped, ctx)

    def _scores(self, model: nn.Module, found: Structure, ctx: Context) -> list[Tensor]:
        if self.score == "random":
            return [
                torch.rand(len(group.labels), generator=ctx.generator(self.name, *group.layers))
                for group in found.groups
            ]
        every = norms(model, found.labelling.ports, found.labelling.count)
        return [every[group.labels] for group in found.groups]

    def _keeps(self, groups: Sequence[Group], scores: Sequence[Tensor], own: Mapping[str, float]) -> list[Tensor]:
        ratios = [min((own[name] for name in group.layers if name in own), default=None) for group in groups]
        shares = [self.ratio if ratio is None else ratio for ratio in ratios]
        keeps = [
            without_lowest(score, min(round(share * len(score)), len(score) - 1))
            for score, share in zip(scores, shares, strict=True)
        ]
        together = [index for index, ratio in enumerate(ratios) if ratio is None]
        if self.scope == "global" and together:
            for index, keep in zip(together, keep_globally([scores[i] for i in together], self.ratio), strict=True):
                keeps[index] = keep
        return keeps

    def _removed(self, model: nn.Module, found: Structure, dropped: Sequence[Tensor], ctx: Context) -> nn.Module:
        smaller: list[nn.Module] = []

        def passes(chosen: Sequence[int]) -> bool:
            result = without(model, found.labelling, [dropped[index] for index in chosen], ctx.example)
            smaller[:] = smaller if result is None else [result]
            return result is not None

        wanted = [index for index, labels in enumerate(dropped) if len(labels)]
        removed = largest_passing(wanted, passes)
        if not found.groups or (wanted and not removed):
            raise Refused(
                f"{self.name}: no channels of this network can be removed without changing what the others compute; "
                "leave this step out, or prune single weights instead"
            )
        if failed := [name for index in wanted if index not in removed for name in found.groups[index].layers]:
            ctx.note(f"channel pruning left whole, because the answers changed: {_listed(failed)}")
        return smaller[0] if smaller else clone(model).eval()


def keep_globally(scores: Sequence[Tensor], ratio: float) -> list[Tensor]:
    """Return masks that drop the `ratio` of all entries which have the lowest LAMP score in their own tensor.

    A tenth of each tensor stays, rounded up.
    """
    held = [without_lowest(score, len(score) - math.ceil(len(score) / 10)) for score in scores]
    relative = [lamp(score).masked_fill(keep, math.inf) for score, keep in zip(scores, held, strict=True)]
    flat = torch.cat(relative)
    drop = min(round(ratio * len(flat)), int(flat.isfinite().sum()))
    return list(without_lowest(flat, drop).split([len(score) for score in scores]))


def snapped(keeps: Sequence[Tensor], scores: Sequence[Tensor], found: Structure, multiple: int) -> list[Tensor]:
    """Return masks that keep more of the best, until the width of each layer is a multiple, or nothing is dropped."""
    kept = torch.ones(found.labelling.count, dtype=torch.bool)
    for group, keep in zip(found.groups, keeps, strict=True):
        kept[group.labels] = keep
    for group, score in zip(found.groups, scores, strict=True):
        outs = [found.labelling.ports[name].out for name in group.layers]
        best_first = group.labels[score.argsort(stable=True).flip(0)]
        for label in best_first[~kept[best_first]].tolist():
            if all(int(kept[out].sum()) % multiple == 0 for out in outs):
                break
            kept[label] = True
    return [kept[group.labels] for group in found.groups]


def _listed(names: Sequence[str]) -> str:
    rest = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return ", ".join(names[:_NAMED]) + rest
