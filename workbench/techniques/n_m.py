"""N:M sparsity: at most n of each m consecutive weights stay, the pattern that some hardware multiplies faster."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Annotated, final

import torch
from torch import Tensor, nn

from workbench.context import Context
from workbench.errors import Refused
from workbench.network import Layer, clone, formatted_, hold_, layers, weight_format
from workbench.recipe import Choice, Control, Layers, PerLayer, Range, Step
from workbench.reconstruction.patches import as_rows
from workbench.reconstruction.problem import Problem
from workbench.reconstruction.sequence import walk
from workbench.reconstruction.supports import refit
from workbench.reconstruction.traces import traced
from workbench.registry import techniques
from workbench.techniques._n_m_patterns import along_channels, largest, solved
from workbench.techniques._notes import listed
from workbench.techniques._own_settings import own_settings

_N = Range(1, 16, 1, "weights that stay of each m")


@techniques.register
@final
@dataclass(frozen=True, kw_only=True)
class NM(Step):
    """Zero all but n of each m weights that follow each other along the input channels, and refit those that stay.

    In a weight [O, I, kh, kw] each kernel position has groups of its own along I: the layout of NVIDIA's ASP and
    cuSPARSELt, in which a convolution is a matrix product with its channels last.

    `sequential`, the default method, walks through the network once: the smallest weight of each group leaves, the
    others are refitted by least squares to the outputs that the layer had before, for the inputs that it now gets, and
    so on; then each group tries all patterns. `magnitude` keeps the largest weights as they are. `random`, the control,
    refits a pattern drawn by lot. Layers whose input channels m does not divide stay whole, and a note names them.
    """

    name = "n_m"
    title = "N:M sparsity"
    summary = "Keeps n of each m neighbouring weights; 2 of 4 is a pattern that some GPUs multiply up to twice as fast."
    paper = (
        "Mishra et al. 2021, https://arxiv.org/abs/2104.08378; "
        "the refit: Frantar and Alistarh 2023 (SparseGPT), https://arxiv.org/abs/2301.00774"
    )
    hurts_when = (
        "The hardware has no use for the pattern, which then loses more than free pruning of as many weights. Only 2:4 "
        "pays, on NVIDIA GPUs from Ampere on, in half precision or int8, for matrices of hundreds of rows and columns; "
        "on a CPU it makes the file smaller and nothing faster."
    )
    order = 22
    approximates = True
    control = Control("random pattern", {"method": "random"})
    slider = "n"

    n: Annotated[int, _N] = 2
    m: Annotated[int, Range(2, 16, 1, "neighbouring weights, of which n stay")] = 4
    method: Annotated[
        str, Choice("sequential", "magnitude", "random", help="refit all after each choice, keep the largest, or draw")
    ] = "sequential"
    layers: Annotated[Layers, PerLayer(_N, "an n of their own for some layers; m leaves a layer whole")] = ()

    def apply(self, model: nn.Module, ctx: Context) -> nn.Module:
        found = layers(model)
        own = own_settings(self.name, self.layers, found)
        if (most := max((self.n, *own.values()))) > self.m:
            raise Refused(f"{self.name}: of each {self.m} weights at most {self.m} can stay, got n = {most}")
        odd = [name for name, layer in found.items() if layer.weight.shape[1] % self.m]
        kept = {name: own.get(name, self.n) for name in found if name not in odd}
        kept = {name: n for name, n in kept.items() if n < self.m}
        if odd:
            ctx.note(f"n:m left whole, because {self.m} does not divide their input channels: {listed(odd)}")
        if not kept:
            return clone(model)
        if self.method == "magnitude":
            return self._masked(kept, model, ctx)
        return traced(self, model, ctx, partial(self._refitted, kept), partial(self._masked, kept))

    def _masked(self, kept: Mapping[str, int], model: nn.Module, ctx: Context) -> nn.Module:
        result = clone(model)
        for name, layer in layers(result).items():
            if name in kept:
                scores = self._scores(name, as_rows(layer, layer.weight.detach().float()), ctx)
                held = _held(layer)
                keep = self._pattern(layer, scores, held, kept[name])
                hold_(layer, mask=keep.view_as(layer.weight))
        return result

    def _refitted(self, kept: Mapping[str, int], model: nn.Module, ctx: Context) -> nn.Module:
        def solve(name: str, layer: Layer, problem: Problem) -> Tensor:
            if name not in kept:
                return layer.weight
            weight, held = as_rows(layer, layer.weight.float()), _held(layer)
            if self.method == "random":
                keep = self._pattern(layer, self._scores(name, weight, ctx), held, kept[name])
                weight = refit(problem, keep, weight, 40)
            else:
                weight, keep = solved(problem, weight, held, along_channels(layer, self.m), kept[name])
            return formatted_(layer, weight.view_as(layer.weight), mask=keep.view_as(layer.weight))

        return walk(model, ctx, solve, only=kept if self.n == self.m else None)

    def _pattern(self, layer: Layer, scores: Tensor, held: Tensor, n: int) -> Tensor:
        return largest(torch.where(held, scores, -1.0), along_channels(layer, self.m), n) & held

    def _scores(self, name: str, weight: Tensor, ctx: Context) -> Tensor:
        if self.method == "random":
            return torch.rand(weight.shape, generator=ctx.generator(self.name, name)).to(weight.device)
        return weight.abs()


def _held(layer: Layer) -> Tensor:
    """Return which weights the layer's format leaves [G, O, D]."""
    mask = weight_format(layer).mask
    return as_rows(layer, torch.ones_like(layer.weight, dtype=torch.bool) if mask is None else mask)
