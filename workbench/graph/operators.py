"""What an ATen operator does: its kind, and how many multiply-adds it takes.

One multiply-add counts as one. Only matrix products, convolutions and attention count; what works element by element,
pools or normalizes does not, by convention.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from workbench.loads import Kind

_Formula = Callable[[Sequence[Any], Any], int]
"""Multiply-adds from an operator's arguments and its result."""


def name_of(operator: Any) -> str:
    """Return the ATen name of an operator; `relu_` does the work of `relu` and is called so."""
    return str(operator.overloadpacket.__name__).removesuffix("_")


def macs_of(operator: Any, args: Sequence[Any], result: Any) -> int:
    """Return the multiply-adds of one call; 0 for operators that are not products."""
    formula = _FORMULAS.get(name_of(operator))
    return 0 if formula is None else formula(args, result)


def kind_of(operator: Any, args: Sequence[Any]) -> Kind:
    """Return what kind of work one call of an operator is."""
    name = name_of(operator)
    if name == "convolution":
        return "depthwise" if _depthwise(args) else "conv"
    if name in _FORMULAS:
        return "attention" if "attention" in name else "linear"
    if operator.is_view or name in _MOVES:
        return "move"
    if "norm" in name or "softmax" in name:
        return "norm"
    if name in _REDUCTIONS or "pool" in name or "upsample" in name:
        return "pool"
    if torch.Tag.pointwise in operator.tags or name in _ELEMENTWISE:
        return "elementwise"
    return "unknown"


def _depthwise(args: Sequence[Any]) -> bool:
    weight: Tensor = args[1]
    return args[8] > 1 and not args[6] and weight.shape[1] == 1


def _product(a: int, b: int) -> _Formula:
    """A product of the matrices args[a] [..., n, k] and args[b] [..., k, m], or of a matrix and a vector [k]."""

    def formula(args: Sequence[Any], result: Any) -> int:
        left: Tensor = args[a]
        right: Tensor = args[b]
        return left.numel() * int(right.shape[-1] if right.ndim > 1 else 1)

    return formula


def _convolution(args: Sequence[Any], result: Tensor) -> int:
    inputs: Tensor = args[0]
    weight: Tensor = args[1]  # [out, in / groups, ...], or transposed [in, out / groups, ...]
    transposed = args[6]
    return (inputs if transposed else result).numel() * math.prod(weight.shape[1:])


def _attention(args: Sequence[Any], result: Any) -> int:
    query, key, value = (tuple(part.shape) for part in args[:3])  # [..., L, E], [..., S, E], [..., S, V]
    return int(math.prod(query[:-1]) * key[-2] * (query[-1] + value[-1]))


def _native_attention(args: Sequence[Any], result: Any) -> int:
    """Projections of query, key and value, the attention itself, and the projection of its output; all of one width."""
    (images, length, width), (_, other, _) = args[0].shape, args[1].shape  # query [N, L, E], key and value [N, S, E]
    projections = images * 2 * (length + other) * width**2
    return int(projections + images * length * other * 2 * width)


_FORMULAS: dict[str, _Formula] = {
    "mm": _product(0, 1),
    "addmm": _product(1, 2),
    "bmm": _product(0, 1),
    "baddbmm": _product(1, 2),
    "mv": _product(0, 1),
    "addmv": _product(1, 2),
    "dot": _product(0, 1),
    "convolution": _convolution,
    "_scaled_dot_product_flash_attention_for_cpu": _attention,
    "_scaled_dot_product_flash_attention": _attention,
    "_scaled_dot_product_efficient_attention": _attention,
    "_scaled_dot_product_cudnn_attention": _attention,
    "_native_multi_head_attention": _native_attention,
}
_REDUCTIONS = frozenset(
    (
        *("sum", "mean", "var", "std", "var_mean", "prod", "max", "min", "amax", "amin", "argmax", "argmin"),
        *("any", "all", "cumsum", "topk", "sort"),
    )
)
_ELEMENTWISE = frozenset(
    (
        *("native_dropout", "bernoulli", "where", "masked_fill", "hardswish", "hardsigmoid", "hardtanh"),
        *("prelu", "_prelu_kernel", "glu", "log_sigmoid_forward", "mish"),
    )
)
_MOVES = frozenset(
    (
        *("empty", "empty_like", "zeros", "zeros_like", "ones", "ones_like", "full", "full_like", "arange"),
        *("new_empty", "new_zeros", "new_ones", "new_full", "scalar_tensor", "lift_fresh", "lift_fresh_copy"),
        *("cat", "stack", "clone", "copy", "_to_copy", "detach", "contiguous", "_unsafe_view", "index", "fill", "zero"),
        *("constant_pad_nd", "reflection_pad2d", "replication_pad2d", "flip", "roll", "repeat", "gather"),
        *("index_select", "embedding", "channel_shuffle", "pixel_shuffle", "pixel_unshuffle", "empty_strided"),
        *("as_strided", "t", "transpose", "squeeze", "unsqueeze", "select_scatter", "slice_scatter"),
        *("_reshape_copy", "_local_scalar_dense"),
    )
)
