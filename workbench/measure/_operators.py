"""Which operators a network runs, and how many multiply-adds each of them takes."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode

OUTSIDE = "(outside layers)"
"""The name under which work counts that the network's own `forward` does."""
_Formula = Callable[[Sequence[Any], Any], int]
"""Multiply-adds from an operator's arguments and its result."""


@dataclass(frozen=True)
class Counts:
    """What ran: multiply-adds by layer, and calls of the operators that are not in them."""

    layers: Counter[str] = field(default_factory=Counter)
    light: Counter[str] = field(default_factory=Counter)
    """Element by element, pooling, norms, sums: by convention not counted."""
    unknown: Counter[str] = field(default_factory=Counter)


def count(model: nn.Module, inputs: Tensor) -> Counts:
    """Return the counts of one forward pass; the network is as before afterwards."""
    counts = Counts()
    path: list[str] = []
    # without inference_mode: it would show `linear` whole, not the matrix product that it comes down to
    with torch.no_grad(), _tracked(model, path), _Counting(counts, path):
        model(inputs)
    return counts


@contextmanager
def _tracked(model: nn.Module, path: list[str]) -> Iterator[None]:
    """Keep the names of the modules that are running in `path`, the innermost last."""
    handles = []
    try:
        for name, module in model.named_modules():

            def enter(_: nn.Module, __: Any, name: str = name) -> None:
                path.append(name)

            def leave(_: nn.Module, __: Any, ___: Any) -> None:
                path.pop()

            handles += [module.register_forward_pre_hook(enter), module.register_forward_hook(leave)]
        yield
    finally:
        for handle in handles:
            handle.remove()


class _Counting(TorchDispatchMode):
    def __init__(self, counts: Counts, path: list[str]) -> None:
        super().__init__()
        self._counts, self._path = counts, path

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        # True would import the whole compiler at the first operator: a second, and eight hundred modules
        return False

    def __torch_dispatch__(
        self, operator: Any, types: Any, args: Sequence[Any] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        result = operator(*args, **(kwargs or {}))
        name = operator.overloadpacket.__name__.removesuffix("_")  # relu_ does the work of relu
        if name in _FORMULAS:
            layer = self._path[-1] if self._path and self._path[-1] else OUTSIDE
            self._counts.layers[layer] += _FORMULAS[name](args, result)
        elif operator.is_view or name in _MOVES:
            pass
        elif torch.Tag.pointwise in operator.tags or name in _LIGHT or any(part in name for part in _LIGHT_PARTS):
            self._counts.light[name] += 1
        else:
            self._counts.unknown[name] += 1
        return result


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
_LIGHT_PARTS = ("norm", "pool", "softmax", "upsample")
_LIGHT = frozenset(
    (
        *("sum", "mean", "var", "std", "var_mean", "prod", "max", "min", "amax", "amin", "argmax", "argmin"),
        *("any", "all", "cumsum", "topk", "sort", "native_dropout", "bernoulli", "where", "masked_fill"),
        *("hardswish", "hardsigmoid", "hardtanh", "prelu", "_prelu_kernel", "glu", "log_sigmoid_forward", "mish"),
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
