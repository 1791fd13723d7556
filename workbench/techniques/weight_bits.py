"""Weight quantization: each weight becomes one of a few values, chosen so that the layer still does what it did."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Annotated, final

import torch
from torch import Tensor, nn

from workbench.context import Context
from workbench.grid import Grid, GridSpec
from workbench.network import Layer, clone, hold_, layers, set_format_, weight_format
from workbench.recipe import Choice, Control, Layers, PerLayer, Step, Switch
from workbench.reconstruction import patches
from workbench.reconstruction.contest import AUTO, chosen
from workbench.reconstruction.problem import Problem
from workbench.reconstruction.rounding import Rows
from workbench.reconstruction.sequence import walk
from workbench.reconstruction.traces import traced
from workbench.registry import roundings, techniques
from workbench.techniques._own_settings import own_settings

_BITS = Choice(1, 2, 3, 4, 5, 6, 7, 8, 16, 32, help="bits for each weight; 16 is half precision, 32 changes nothing")


@techniques.register
@final
@dataclass(frozen=True, kw_only=True)
class WeightBits(Step):
    """Round the weights to a grid and hold them there.

    Methods are those of `reconstruction.roundings`. Those that look at data, and all of them where `correct` is set,
    walk through the network once: each layer is rounded for the inputs that it now gets, and the means of its outputs
    are met. `nearest` without `correct` is the control.

    Biases and batch norms stay in float32: they are few. Pruned weights stay zero, since zero is on every grid or, with
    one bit, kept by the mask.
    """

    name = "weight_bits"
    title = "Weight bits"
    summary = "Makes every weight one of 2^bits values; the file stores small whole numbers and a scale."
    paper = (
        "Krishnamoorthi 2018, https://arxiv.org/abs/1806.08342; coordinate descent: Behdin et al. 2023, "
        "https://arxiv.org/abs/2309.01885; means: Nagel et al. 2019, https://arxiv.org/abs/1906.04721"
    )
    hurts_when = (
        "Below 3 bits when the network is not trained afterwards, with one scale for a whole layer whose channels "
        "differ much in range (depthwise convolutions), and in the first and the last layer."
    )
    order = 30
    approximates = True
    control = Control("round to nearest", {"method": "nearest", "correct": False})
    slider = "bits"
    neutral = 32
    positions = (4, 3, 2, 8, 6, 5, 1, 7)
    rivals = ({"method": "descent"}, {"method": "gptq"}, {"method": "nearest"})
    bout = {"bits": 2, "layers": ()}
    flags = {"bits": "bits"}

    bits: Annotated[int, _BITS] = 8
    method: Annotated[str, Choice(AUTO, *roundings.names(), help="how codes are chosen; auto holds a contest")] = AUTO
    per_channel: Annotated[bool, Switch("a scale for each output channel, not one for the layer")] = True
    symmetric: Annotated[bool, Switch("a grid around zero; otherwise it spans the lowest to the highest weight")] = (
        False
    )
    correct: Annotated[bool, Switch("meet the mean outputs of the network before (bias correction)")] = True
    layers: Annotated[Layers, PerLayer(_BITS, "bits of their own for some layers")] = ()

    def apply(self, model: nn.Module, ctx: Context) -> nn.Module:
        own = own_settings(self.name, self.layers, layers(model))
        if min((self.bits, *own.values())) >= 16:  # halves need no method
            return self._snapped(model, ctx)
        # from eight bits on there is nothing to win by a contest
        usual = self.method == AUTO and min((self.bits, *own.values())) >= 8
        step = dataclasses.replace(self, method="nearest") if usual else chosen(self, ctx)
        if not step.correct and not roundings.get(step.method).looks:
            return step._snapped(model, ctx)
        plain = dataclasses.replace(step, method=_simple(step.method), correct=False)
        return traced(step, model, ctx, step._walked, plain._snapped)

    def _snapped(self, model: nn.Module, _ctx: Context) -> nn.Module:
        result = clone(model)
        own = dict(self.layers)
        for name, layer in layers(result).items():
            bits = own.get(name, self.bits)
            if bits < 16:
                self._rounded_(layer, bits, None, layer.weight.detach())
            elif bits == 16:
                hold_(layer, grid=Grid.fit(layer.weight, self._spec(16)))
        return result

    def _walked(self, model: nn.Module, ctx: Context) -> nn.Module:
        own = dict(self.layers)

        def solve(name: str, layer: Layer, problem: Problem) -> Tensor:
            bits = own.get(name, self.bits)
            if bits < 16:
                self._rounded_(layer, bits, problem, layer.weight)
            elif bits == 16:
                hold_(layer, grid=Grid.fit(layer.weight, self._spec(16)))
            return layer.weight

        alone = [name for name, bits in own.items() if bits < 32] if self.bits == self.neutral else None
        return walk(model, ctx, solve, only=alone)

    def _rounded_(self, layer: Layer, bits: int, problem: Problem | None, weight: Tensor) -> None:
        """Round the weight of a layer, in place, and hold it to its grid."""
        mask = weight_format(layer).mask
        rows = patches.as_rows(layer, weight.float())
        keep = torch.ones_like(rows, dtype=torch.bool) if mask is None else patches.as_rows(layer, mask)
        rounded, grid = roundings.get(self.method).round(Rows(rows * keep, keep, self._spec(bits), problem))
        with torch.no_grad():
            layer.weight.copy_(rounded.reshape(layer.weight.shape) + 0.0)  # never -0.0
        set_format_(layer, dataclasses.replace(weight_format(layer), grid=grid))

    def _spec(self, bits: int) -> GridSpec:
        kind = "uniform" if bits == 16 or self.method == AUTO else roundings.get(self.method).kind
        return GridSpec(bits=bits, per_channel=self.per_channel, symmetric=self.symmetric, kind=kind)


def _simple(method: str) -> str:
    return "nearest" if roundings.get(method).looks else method
