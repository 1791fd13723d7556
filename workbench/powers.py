"""Powers of two: weights whose product with a number is a shift of its bits.

INQ: Zhou et al. 2017, https://arxiv.org/abs/1702.03044. Only normal float32 numbers are used, so that every machine
has them.
"""

from __future__ import annotations

import torch
from torch import Tensor

_LOWEST, _HIGHEST = -126, 127
"""Exponents of normal float32 numbers."""


def nearest(values: Tensor) -> Tensor:
    """Return the nearest powers of two, float32, of values above zero; half way goes up."""
    return _power(_exponent(values))


def encoded(weight: Tensor, scale: Tensor, highest: int) -> Tensor:
    """Return codes, int16 of the weight's shape: k for the nearest value sign(k) scale 2^(|k| - highest), 0 for zero.

    `scale` broadcasts with the weight and holds powers of two.
    """
    size = weight.detach().float().abs()
    below = _exponent(scale) - highest  # the exponent that the code 0 would have
    codes = torch.where(size >= _power(below + 1) / 2, _exponent(size) - below, 0)
    codes = torch.where(codes == 0, size >= _power(below + 1) / 2, codes).clamp(max=highest)
    return (torch.where(codes + below < _LOWEST, 0, codes) * weight.sign()).to(torch.int16)


def decoded(codes: Tensor, scale: Tensor, highest: int) -> Tensor:
    """Return the float32 weights that the codes stand for."""
    return _power(_exponent(scale) + codes.abs() - highest) * codes.sign()


def _exponent(values: Tensor) -> Tensor:
    mantissa, exponent = torch.frexp(values)  # mantissa in [0.5, 1)
    return exponent - (mantissa < 0.75).int()


def _power(exponents: Tensor) -> Tensor:
    """Return 2^exponents put together from bits: the power function of a machine may be off in the last one."""
    return ((exponents.clamp(_LOWEST, _HIGHEST).int() + 127) << 23).view(torch.float32)
