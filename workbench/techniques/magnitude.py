"""Unstructured magnitude pruning: the weights that matter least by their size become zero."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, final

import torch
from torch import Tensor, nn

from workbench.context import Context
from workbench.network import Layer, clone, hold_, layers, weight_format
from workbench.recipe import Choice, Control, Layers, PerLayer, Range, Step
from workbench.registry import techniques
from workbench.techniques._own_settings import own_settings
from workbench.techniques._ranking import lamp, without_lowest

_RATIO = Range(0, 0.99, 0.01, "share of the weights set to zero", percent=True)


@techniques.register
@final
@dataclass(frozen=True, kw_only=True)
class Magnitude(Step):
    """Zero the weights of smallest score and hold them at zero.

    `lamp` divides the square of a weight by the sum of squares of all weights of its layer that are at least as large
    (Lee et al. 2021): one threshold over the network then gives each layer a sensible share, and never empties one.
    `random` is the control.
    """

    name = "magnitude"
    title = "Weight pruning"
    summary = "Sets the smallest weights to zero; the file then stores only where the others are and what they are."
    paper = "Han et al. 2015, https://arxiv.org/abs/1506.02626; LAMP: Lee et al. 2021, https://arxiv.org/abs/2010.07611"
    hurts_when = (
        "Beyond 70 to 80 % without training afterwards, in layers with few weights, and in depthwise convolutions. "
        "It makes the file smaller, but rarely the network faster: dense kernels multiply the zeros too."
    )
    order = 20
    control = Control("random weights", {"score": "random"})
    flags = {"prune": "ratio"}

    ratio: Annotated[float, _RATIO] = 0.5
    scope: Annotated[str, Choice("global", "layer", help="one threshold for all layers, or the same share of each")] = (
        "global"
    )
    score: Annotated[str, Choice("lamp", "magnitude", "random", help="what says how much a weight matters")] = "lamp"
    layers: Annotated[Layers, PerLayer(_RATIO, "a ratio of their own for some layers")] = ()

    def apply(self, model: nn.Module, ctx: Context) -> nn.Module:
        result = clone(model)
        found = layers(result)
        own = own_settings(self.name, self.layers, found)
        scores = {name: self._score(name, layer, ctx) for name, layer in found.items()}
        for name, keep in self._masks(scores, own).items():
            before = weight_format(found[name]).mask
            hold_(found[name], mask=keep if before is None else keep & before)
        return result

    def _score(self, name: str, layer: Layer, ctx: Context) -> Tensor:
        weight = layer.weight.detach().float()
        if self.score == "random":
            noise = torch.rand(weight.shape, generator=ctx.generator(self.name, name)).to(weight.device)
            return torch.where(weight == 0, 0.0, noise)  # what is pruned already stays at the bottom
        return lamp(weight) if self.score == "lamp" else weight.abs()

    def _masks(self, scores: Mapping[str, Tensor], own: Mapping[str, float]) -> dict[str, Tensor]:
        masks = {name: _mask(score, own.get(name, self.ratio)) for name, score in scores.items()}
        together = [name for name in scores if name not in own]
        if self.scope == "global" and together:
            flat = _mask(torch.cat([scores[name].flatten() for name in together]), self.ratio)
            parts = flat.split([scores[name].numel() for name in together])
            masks |= {name: part.view_as(scores[name]) for name, part in zip(together, parts, strict=True)}
        return masks


def _mask(score: Tensor, ratio: float) -> Tensor:
    return without_lowest(score, round(ratio * score.numel()))
