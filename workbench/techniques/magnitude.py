"""Unstructured pruning: the weights that matter least become zero, and the others make up for them."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Annotated, final

import torch
from torch import Tensor, nn

from workbench.context import Context
from workbench.network import Layer, clone, formatted_, hold_, layers, weight_format
from workbench.recipe import Choice, Control, Layers, PerLayer, Range, Step
from workbench.reconstruction import patches
from workbench.reconstruction.contest import AUTO, chosen
from workbench.reconstruction.problem import Problem
from workbench.reconstruction.sequence import walk
from workbench.reconstruction.supports import in_rounds, lowest, refit
from workbench.reconstruction.traces import traced
from workbench.registry import scores, techniques
from workbench.techniques._own_settings import own_settings

_RATIO = Range(0, 0.99, 0.01, "share of the weights set to zero", percent=True)


@techniques.register
@final
@dataclass(frozen=True, kw_only=True)
class Magnitude(Step):
    """Zero the weights of lowest score, hold them at zero, and refit what stays.

    `rounds`, the default method, walks through the network once. Each layer loses its share in several rounds; after
    each, the weights that stay are refitted by least squares to the outputs that the layer had before, for the inputs
    that it now gets. `once` refits after a single mask, `mask` leaves the weights as they are.

    One threshold over all layers (`global`) gives each its share. Scores are those of `reconstruction.scores`. With
    `once` and `mask` the score also says which weights of a layer leave; `rounds` takes only the shares from it, and
    then the smallest of what each refit has left. `random` is the control. Ties go by position: the earlier leaves.
    """

    name = "magnitude"
    title = "Weight pruning"
    summary = "Sets the least important weights to zero and refits the others; the file stores only what is left."
    paper = (
        "Han et al. 2015, https://arxiv.org/abs/1506.02626; the refit: Frantar and Alistarh 2023 (SparseGPT), "
        "https://arxiv.org/abs/2301.00774; in rounds: Zhu and Gupta 2017, https://arxiv.org/abs/1710.01878"
    )
    hurts_when = (
        "Beyond 80 to 90 % without training afterwards, in layers with few weights, and in depthwise convolutions. "
        "It makes the file smaller, but rarely the network faster: dense kernels multiply the zeros too."
    )
    order = 20
    approximates = True
    control = Control("random weights", {"score": "random"})
    slider = "ratio"
    neutral = 0.0
    positions = (0.5, 0.7, 0.8, 0.9, 0.6, 0.3, 0.75, 0.85, 0.65, 0.95, 0.4, 0.55, 0.2, 0.1)
    reach = 0.06
    rivals = ({"score": "relative"}, {"score": "magnitude"}, {"score": "lamp"})
    bout = {"ratio": 0.8, "layers": ()}
    flags = {"prune": "ratio"}

    ratio: Annotated[float, _RATIO] = 0.5
    method: Annotated[
        str, Choice("rounds", "once", "mask", help="refit in several rounds, once, or not at all (no calibration)")
    ] = "rounds"
    score: Annotated[
        str, Choice(AUTO, *scores.names(), help="what says how much a weight matters; auto holds a contest")
    ] = AUTO
    scope: Annotated[str, Choice("global", "layer", help="one threshold for all layers, or the same share of each")] = (
        "global"
    )
    layers: Annotated[Layers, PerLayer(_RATIO, "a ratio of their own for some layers")] = ()

    def apply(self, model: nn.Module, ctx: Context) -> nn.Module:
        own_settings(self.name, self.layers, layers(model))
        if self.ratio == 0 and not self.layers:
            return clone(model)
        step = chosen(self, ctx)
        plain = step._without_data
        if step == plain:
            return plain._masked(model, ctx)
        return traced(step, model, ctx, step._masked if step.method == "mask" else step._refitted, plain._masked)

    @property
    def _without_data(self) -> Magnitude:
        """The simple method: what can be said at once."""
        score = "magnitude" if scores.get(self.score).looks else self.score
        return dataclasses.replace(self, method="mask", score=score)

    def _masked(self, model: nn.Module, ctx: Context) -> nn.Module:
        result = clone(model)
        found = layers(result)
        by_score = self._scores(model, ctx)
        for name, drop in self._drops(model, ctx).items():
            layer = found[name]
            keep = lowest(by_score[name], drop).view_as(layer.weight)
            before = weight_format(layer).mask
            hold_(layer, mask=keep if before is None else keep & before)
        return result

    def _refitted(self, model: nn.Module, ctx: Context) -> nn.Module:
        drops = self._drops(model, ctx)

        def solve(name: str, layer: Layer, problem: Problem) -> Tensor:
            weight = patches.as_rows(layer, layer.weight.float())
            form = weight_format(layer)
            held = torch.ones_like(weight, dtype=torch.bool)
            held = held if form.mask is None else patches.as_rows(layer, form.mask)
            more = max(0, drops[name] - int((~held).sum()))
            if self.method == "once" or self.score == "random":
                keep = lowest(torch.where(held, self._score(name, weight, problem, ctx), -1.0), drops[name]) & held
                weight = refit(problem, keep, weight, 40)
            else:
                weight, keep = in_rounds(problem, weight, held, more)
            return formatted_(layer, weight.reshape(layer.weight.shape), mask=keep.reshape(layer.weight.shape))

        alone = [name for name, ratio in self.layers if ratio] if self.ratio == self.neutral else None
        return walk(model, ctx, solve, only=alone)

    def _drops(self, model: nn.Module, ctx: Context) -> dict[str, int]:
        """Return how many weights each layer is to have lost, those that it has lost before included."""
        found = self._scores(model, ctx)
        own = dict(self.layers)
        drops = {name: round(own.get(name, self.ratio) * score.numel()) for name, score in found.items()}
        together = [name for name in found if name not in own]
        if self.scope == "global" and together:
            count = sum(found[name].numel() for name in together)
            drop = round(self.ratio * count)
            # a mask alone is what people use, collapse and all
            least = 0 if self.method == "mask" else (count - drop) // len(together)
            all_scores = torch.cat([_kept_apart(found[name], least).flatten() for name in together])
            keep = lowest(all_scores, drop)
            parts = keep.split([found[name].numel() for name in together])
            drops |= {name: int((~part).sum()) for name, part in zip(together, parts, strict=True)}
        return drops

    def _scores(self, model: nn.Module, ctx: Context) -> dict[str, Tensor]:
        """Return the scores of all layers by name, for the network as it is; kept, since no ratio changes them."""
        key = f"scores/{self.score}/{ctx.seed}/{ctx.key_of(model)}/{ctx.reference_key}"
        return ctx.cache.get(key, lambda: self._compute_scores(model, ctx))

    def _compute_scores(self, model: nn.Module, ctx: Context) -> dict[str, Tensor]:
        found: dict[str, Tensor] = {}
        if not scores.get(self.score).looks:
            for name, layer in layers(model).items():
                weight = patches.as_rows(layer, layer.weight.detach().float())
                found[name] = self._score(name, weight, None, ctx)
            return found

        def look(name: str, layer: Layer, problem: Problem) -> Tensor:
            found[name] = self._score(name, patches.as_rows(layer, layer.weight.float()), problem, ctx)
            return layer.weight

        walk(model, ctx, look)
        return found

    def _score(self, name: str, weight: Tensor, problem: Problem | None, ctx: Context) -> Tensor:
        return scores.get(self.score).of(weight, problem, ctx.generator(self.name, name))


def _kept_apart(scores: Tensor, most: int) -> Tensor:
    """Return the scores [G, O, D] of a layer with its best G * O, but `most` at the most, beyond all others.

    One threshold for all layers would otherwise empty whole layers, and nothing passes through such a network (Tanaka
    et al. 2020, https://arxiv.org/abs/2006.05467, call it layer collapse).
    """
    groups, outputs, _ = scores.shape
    best = lowest(scores, scores.numel() - min(groups * outputs, most))
    return torch.where(best, torch.inf, scores)
