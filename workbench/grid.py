"""Grids: the few values that the weights of a quantized layer may take, and the integer codes that name them.

Decoding a uniform grid is one float32 subtraction and one float32 product, in this order, so that a file which holds
codes, scales and zero points gives back the same bits on every machine:

    weight = (code - zero) * scale

Symmetric grids have zero = 0 and the codes -(2^(b-1) - 1) ... 2^(b-1) - 1; asymmetric ones have the codes
0 ... 2^b - 1 and a whole zero point, so that 0.0 is always on the grid and a pruned weight stays pruned. One bit means
-1 or +1 times the mean magnitude (Rastegari et al. 2016, https://arxiv.org/abs/1603.05279). Sixteen bits mean half
precision: there is no scale, and the codes are the halves themselves, whatever the kind.

Two kinds are not uniform. A codebook has the value 0.0 under the code 0 and up to 2^b - 1 levels of the layer under
the others (see `codebook`); with one bit it has two levels, and only 0.0 has the code 0. Powers of two are

    weight = sign(code) * scale * 2^(|code| - highest code)

where the scale is a power of two itself, so that a product is a shift of bits (Zhou et al. 2017,
https://arxiv.org/abs/1702.03044); they are symmetric.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

import torch
from torch import Tensor

from workbench import codebook, powers
from workbench.errors import Refused

Kind = Literal["uniform", "codebook", "powers"]


@dataclass(frozen=True, kw_only=True)
class GridSpec:
    """Which grid: bits in 1 ... 8 or 16; a scale for each output channel or one for the layer; symmetric or not."""

    bits: int
    per_channel: bool = True
    symmetric: bool = True
    kind: Kind = "uniform"

    @property
    def lowest(self) -> int:
        """The smallest code."""
        if self.kind == "codebook":
            return 0
        return 0 if self._asymmetric else -self.highest

    @property
    def highest(self) -> int:
        """The largest code."""
        if self.kind == "codebook":
            return max((1 << self.bits) - 1, 2)
        return (1 << self.bits) - 1 if self._asymmetric else max((1 << (self.bits - 1)) - 1, 1)

    @property
    def _asymmetric(self) -> bool:
        return not self.symmetric and self.bits > 1 and self.kind == "uniform"

    def scales(self, channels: int) -> int:
        """Return how many scales, and as many zero points, the grid of a weight with so many output channels has."""
        if self.bits == 16 or self.kind == "codebook":
            return 0
        return channels if self.per_channel else 1


@dataclass(frozen=True)
class Grid:
    """A grid for a weight [out, ...]: scale and zero are float32 [out] or [1]; both are empty where there are none."""

    spec: GridSpec
    scale: Tensor
    zero: Tensor
    levels: Tensor = field(default_factory=lambda: torch.empty(0))
    """The levels of a codebook, float32 [K]; else empty."""

    @classmethod
    def fit(cls, weight: Tensor, spec: GridSpec, weights: Tensor | None = None) -> Grid:
        """Return the grid that spans the range of the weight (of each output channel, where the spec says so).

        A channel of zeros gets the scale 1. With one bit, zeros do not count towards the mean magnitude: they are
        what pruning left. `weights`, of the weight's shape, says how much the error of each one counts, for codebooks
        alone. Raises `Refused` for a codebook or powers of a weight that is not finite.
        """
        none = weight.new_empty(0, dtype=torch.float32)
        if spec.bits == 16:
            return cls(spec, none, none)
        if spec.kind != "uniform" and not torch.isfinite(weight).all():
            raise Refused("weights that are NaN or infinite cannot be quantized: train or load the network again")
        if spec.kind == "codebook":
            return cls(spec, none, none, codebook.fitted(weight, spec.highest, weights, spared=spec.bits == 1))
        rows = weight.detach().float().reshape(weight.shape[0] if spec.per_channel else 1, -1)
        zero = torch.zeros(len(rows), device=rows.device)
        if spec.bits == 1:
            scale = rows.abs().sum(1) / rows.ne(0).sum(1).clamp(min=1)
        elif spec.kind == "powers":
            scale = rows.abs().amax(1)
        elif spec.symmetric:
            scale = rows.abs().amax(1) / spec.highest
        else:
            low, high = rows.amin(1).clamp(max=0), rows.amax(1).clamp(min=0)
            scale = (high - low) / spec.highest
            zero = torch.where(scale > 0, (-low / scale).round().clamp(0, spec.highest), zero)
        tiny = torch.finfo(torch.float32).tiny
        scale = torch.where(scale > tiny, scale, torch.ones_like(scale))
        return cls(spec, powers.nearest(scale) if spec.kind == "powers" else scale, zero)

    def refitted(self, weight: Tensor) -> Grid:
        """Return a grid of the same spec for a weight that has moved a little.

        A codebook goes one step of k-means on from its present levels, which is cheap enough for each batch of a
        training; the other kinds are fitted anew.
        """
        if self.spec.kind != "codebook" or self.spec.bits == 16:
            return Grid.fit(weight, self.spec)
        return Grid(
            self.spec, self.scale, self.zero, codebook.refitted(self.levels, weight, spared=self.spec.bits == 1)
        )

    def encode(self, weight: Tensor) -> Tensor:
        """Return the nearest codes, int16 of the weight's shape. With one bit, only zero gets the code 0."""
        if self.spec.bits == 16:
            largest = torch.finfo(torch.float16).max  # beyond it halves are infinite
            return weight.clamp(-largest, largest).half().view(torch.int16)
        if self.spec.kind == "codebook":
            return codebook.encoded(weight, self.levels, spared=self.spec.bits == 1)
        if self.spec.bits == 1:
            return weight.sign().to(torch.int16)
        if self.spec.kind == "powers":
            return powers.encoded(weight, self._wide(self.scale, weight), self.spec.highest)
        codes = (weight / self._wide(self.scale, weight)).round() + self._wide(self.zero, weight)
        return codes.clamp(self.spec.lowest, self.spec.highest).to(torch.int16)

    def decode(self, codes: Tensor) -> Tensor:
        """Return the float32 weights that the codes stand for."""
        if self.spec.bits == 16:
            return codes.view(torch.float16).float()
        if self.spec.kind == "codebook":
            return codebook.decoded(codes, self.levels)
        if self.spec.kind == "powers":
            return powers.decoded(codes, self._wide(self.scale, codes), self.spec.highest)
        return (codes.float() - self._wide(self.zero, codes)) * self._wide(self.scale, codes)

    def rows(self, keep: Tensor) -> Grid:
        """Return the grid of the output channels `keep` [K]."""
        if len(self.scale) <= 1:
            return self
        return Grid(self.spec, self.scale[keep], self.zero[keep])

    def to(self, device: torch.device | str) -> Grid:
        """Return the grid on a device."""
        return Grid(self.spec, self.scale.to(device), self.zero.to(device), self.levels.to(device))

    @staticmethod
    def _wide(values: Tensor, like: Tensor) -> Tensor:
        return values.view(-1, *[1] * (like.ndim - 1))
