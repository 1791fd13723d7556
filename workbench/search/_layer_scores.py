"""The cheap score of a layer: how much of its outputs a compressed layer loses, reading what it reads in the original.

It is the mean squared distance of the outputs as a share of their variance, on calibration images, as layer-wise
solvers see it: no network is run for it. Where the layer is not the same layer any more, as after factoring, the two
networks are run side by side (`layerwise.outputs`); a layer that has lost outputs has no score.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from workbench.context import Cache, Context
from workbench.layerwise.outputs import output_errors, visits
from workbench.network import Layer, layers
from workbench.reconstruction import patches
from workbench.reconstruction.problem import Problem
from workbench.reconstruction.sequence import Calibration, walk
from workbench.result import Estimate

_BYTES = 256 * 2**20
"""What the moments of all layers may take in memory."""
_LOOK = Calibration(damping=0.0)


@dataclass(frozen=True)
class _Layer:
    weight: Tensor
    """[G, O, D]."""
    hessian: Tensor
    """[G, D, D]: second moments of what the layer reads, about their means where those can be met by a bias."""
    variance: float
    """Of its outputs, all together."""

    @property
    def size_bytes(self) -> int:
        return self.hessian.nbytes + self.weight.nbytes


class LayerScores:
    """Scores of the layers of one original."""

    def __init__(self, ctx: Context) -> None:
        self._ctx = ctx
        self._looked = False
        self._kept = Cache(_BYTES, lambda kept: kept.size_bytes)
        self._sites: dict[str, str] | None = None

    def of(self, name: str, network: nn.Module) -> float | None:
        """Return the score of a layer in a network in which it alone was compressed; None where it has none."""
        before, layer = layers(self._ctx.original).get(name), layers(network).get(name)
        if before is None or layer is None or layer.weight.shape != before.weight.shape or not patches.readable(before):
            return self._by_outputs(name, network)
        known = self._moments(name)
        if known is None:
            return self._by_outputs(name, network)
        away = patches.as_rows(layer, layer.weight.detach().float()) - known.weight
        lost = float(((away @ known.hessian) * away).sum())
        return max(0.0, lost / known.variance) if known.variance > 0 and math.isfinite(lost) else None

    def _moments(self, name: str) -> _Layer | None:
        found: _Layer | None = self._kept.peek(name)
        if found is None:
            self._look(None if not self._looked else [name])  # the first look is at all layers in one pass
            self._looked = True
            found = self._kept.peek(name)
        return found

    def _look(self, only: list[str] | None) -> None:
        def look(name: str, layer: Layer, problem: Problem) -> Tensor:
            rows = patches.as_rows(layer, layer.weight.float()).clone()
            self._kept.get(name, lambda: _Layer(rows, problem.hessian, float(problem.variance_y.sum())))
            return layer.weight

        walk(self._ctx.original, self._ctx, look, _LOOK, only)

    def _by_outputs(self, name: str, network: nn.Module) -> float | None:
        ctx = self._ctx
        if self._sites is None:
            seen = visits(ctx.original, ctx.calibration.inputs(torch.arange(1)))
            self._sites = {layer: visit.site for layer, visit in seen.items()}
        if name not in self._sites:
            return None
        error = output_errors(ctx.original, network, {name: self._sites[name]}, ctx.calibration)[name]
        return error.value if isinstance(error, Estimate) else None
