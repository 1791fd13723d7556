"""Fewer bits for biases and batch norms: the small arrays that are no longer small beside compressed weights."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, final

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _NormBase

from workbench.context import Context
from workbench.network import clone
from workbench.recipe import Choice, Step
from workbench.registry import techniques
from workbench.techniques._whole_biases import round_biases_

_NORMS = (_NormBase, nn.GroupNorm, nn.LayerNorm)


@techniques.register
@final
@dataclass(frozen=True, kw_only=True)
class VectorBits(Step):
    """Round biases to a fixed point and the arrays of norms to floating point, both with so many binary digits.

    A bias is added to sums of about its own size, so that all biases of a layer have one step, a power of two. Scales
    and variances of norms are multiplied with, so that each keeps its own leading digits, and none becomes zero.
    Nothing is held: training moves them off again, so this goes last. Where a layer computes with whole numbers, its
    bias has to be one, so that it, or the shift of the norm behind it, keeps more digits (see `_whole_biases`).
    """

    name = "vector_bits"
    title = "Bias and norm bits"
    summary = "Rounds biases and batch norms, which stay in float32 otherwise and are a tenth of a small file."
    paper = "Jacob et al. 2018, https://arxiv.org/abs/1712.05877, keep 32 bits for biases; so few are enough only here"
    hurts_when = "Below 6 digits, and before a step that trains: training undoes it."
    order = 90

    bits: Annotated[int, Choice(4, 6, 8, 10, 12, 32, help="binary digits of each number; 32 changes nothing")] = 8

    def apply(self, model: nn.Module, ctx: Context) -> nn.Module:
        result = clone(model)
        if self.bits == 32:
            return result
        for module in result.modules():
            if isinstance(module, _NORMS):
                for tensor in (*module.parameters(recurse=False), *module.buffers(recurse=False)):
                    if tensor.is_floating_point():
                        tensor.data = floating_point(tensor.data, self.bits)
            elif isinstance(bias := getattr(module, "bias", None), nn.Parameter):
                bias.data = fixed_point(bias.data, self.bits)
        round_biases_(result, ctx.example)
        return result


def fixed_point(values: Tensor, digits: int) -> Tensor:
    """Return the nearest multiples of the smallest power of two with which the largest value takes so many digits."""
    largest = float(values.abs().amax()) if values.numel() else 0.0
    if largest == 0:
        return values.clone()
    exponent = torch.frexp(torch.tensor(largest)).exponent - digits
    most = 2.0**digits - 1  # what would be rounded up to one digit more
    return torch.ldexp(torch.ldexp(values, -exponent).round().clamp(-most, most), exponent) + 0.0  # never -0.0


def floating_point(values: Tensor, digits: int) -> Tensor:
    """Return the nearest numbers of so many binary digits."""
    mantissa, exponent = torch.frexp(values)
    return torch.ldexp(torch.ldexp(mantissa, torch.tensor(digits)).round(), exponent - digits)
