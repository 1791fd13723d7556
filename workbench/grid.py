"""Grids: the few values that the weights of a quantized layer may take, and the integer codes that name them.

Decoding is one float32 subtraction and one float32 product, in this order, so that a file which holds codes, scales
and zero points gives back the same bits on every machine:

    weight = (code - zero) * scale

Symmetric grids have zero = 0 and the codes -(2^(b-1) - 1) ... 2^(b-1) - 1; asymmetric ones have the codes
0 ... 2^b - 1 and a whole zero point, so that 0.0 is always on the grid and a pruned weight stays pruned. One bit means
-1 or +1 times the mean magnitude (Rastegari et al. 2016, https://arxiv.org/abs/1603.05279). Sixteen bits mean half
precision: there is no scale, and the codes are the halves themselves.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True, kw_only=True)
class GridSpec:
    """Which grid: bits in 1 ... 8 or 16; a scale for each output channel or one for the layer; symmetric or not."""

    bits: int
    per_channel: bool = True
    symmetric: bool = True

    @property
    def lowest(self) -> int:
        """The smallest code."""
        return 0 if not self.symmetric and self.bits > 1 else -self.highest

    @property
    def highest(self) -> int:
        """The largest code."""
        symmetric = self.symmetric or self.bits == 1
        return max((1 << (self.bits - 1)) - 1, 1) if symmetric else (1 << self.bits) - 1


@dataclass(frozen=True)
class Grid:
    """A grid for a weight [out, ...]: scale and zero are float32 [out] or [1]; both are empty for half precision."""

    spec: GridSpec
    scale: Tensor
    zero: Tensor

    @classmethod
    def fit(cls, weight: Tensor, spec: GridSpec) -> Grid:
        """Return the grid that spans the range of the weight (of each output channel, where the spec says so).

        A channel of zeros gets the scale 1. With one bit, zeros do not count towards the mean magnitude: they are
        what pruning left.
        """
        if spec.bits == 16:
            return cls(spec, weight.new_empty(0), weight.new_empty(0))
        rows = weight.detach().float().reshape(weight.shape[0] if spec.per_channel else 1, -1)
        zero = torch.zeros(len(rows), device=rows.device)
        if spec.bits == 1:
            scale = rows.abs().sum(1) / rows.ne(0).sum(1).clamp(min=1)
        elif spec.symmetric:
            scale = rows.abs().amax(1) / spec.highest
        else:
            low, high = rows.amin(1).clamp(max=0), rows.amax(1).clamp(min=0)
            scale = (high - low) / spec.highest
            zero = torch.where(scale > 0, (-low / scale).round().clamp(0, spec.highest), zero)
        tiny = torch.finfo(torch.float32).tiny
        return cls(spec, torch.where(scale > tiny, scale, torch.ones_like(scale)), zero)

    def encode(self, weight: Tensor) -> Tensor:
        """Return the nearest codes, int16 of the weight's shape. With one bit, zero gets the code 0."""
        if self.spec.bits == 16:
            largest = torch.finfo(torch.float16).max  # beyond it halves are infinite
            return weight.clamp(-largest, largest).half().view(torch.int16)
        if self.spec.bits == 1:
            return weight.sign().to(torch.int16)
        codes = (weight / self._wide(self.scale, weight)).round() + self._wide(self.zero, weight)
        return codes.clamp(self.spec.lowest, self.spec.highest).to(torch.int16)

    def decode(self, codes: Tensor) -> Tensor:
        """Return the float32 weights that the codes stand for."""
        if self.spec.bits == 16:
            return codes.view(torch.float16).float()
        return (codes.float() - self._wide(self.zero, codes)) * self._wide(self.scale, codes)

    def rows(self, keep: Tensor) -> Grid:
        """Return the grid of the output channels `keep` [K]."""
        if len(self.scale) <= 1:
            return self
        return Grid(self.spec, self.scale[keep], self.zero[keep])

    @staticmethod
    def _wide(values: Tensor, like: Tensor) -> Tensor:
        return values.view(-1, *[1] * (like.ndim - 1))
