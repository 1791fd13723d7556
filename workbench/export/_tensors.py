"""One tensor in its shortest form: codes of a grid or words of its type, all of them or only the non-zeros."""

from __future__ import annotations

import math
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.parameter import is_lazy

from workbench.errors import Refused
from workbench.export._coded import Coded, has_a_chance
from workbench.export._codes import Codes, decode_codes, encode_codes, expected_length
from workbench.export._container import Body, damaged
from workbench.export._positions import decode_positions, encode_positions
from workbench.export._words import Words, decode_words, encode_words
from workbench.grid import Grid

DTYPES = {
    str(dtype).removeprefix("torch."): dtype
    for dtype in (
        *(torch.float32, torch.float64, torch.float16, torch.bfloat16),
        *(torch.int64, torch.int32, torch.int16, torch.int8, torch.uint8, torch.bool),
    )
}
"""The types of tensors that a file can hold, by the name it has in the header."""
_FEWEST_ZERO_WORDS = 0.01
_FEWEST_ZERO_CODES = 0.25
"""Shares of zeros below which positions are not tried: they would gain a thousandth at most, for half of the time."""
_MOST_ZERO_WORDS = 0.25
"""Share of zeros from which on nothing else is tried."""
_INTEGERS = {1: torch.uint8, 2: torch.int16, 4: torch.int32, 8: torch.int64}


@dataclass(frozen=True)
class Stored:
    """A tensor in the file: its values and, where only non-zeros are kept, their positions."""

    values: Coded
    positions: Coded | None = None
    centred: bool = False
    """Whether codes are counted from the zero point of their channel."""

    @property
    def cost(self) -> int:
        return self.values.cost + (0 if self.positions is None else self.positions.cost)

    @property
    def spec(self) -> dict[str, Any]:
        """What the header says."""
        spec: dict[str, Any] = {"values": self.values.spec}
        if self.positions is not None:
            spec["positions"] = self.positions.spec
        return spec | ({"centred": True} if self.centred else {})


def store_words(tensor: Tensor) -> Stored:
    """Return the shortest form of any tensor; a zero that may be left out is one of all bits zero, so not -0.0."""
    words = words_of(tensor)
    filled = words != 0
    zeros = _share_of_zeros(filled)
    candidates = [Stored(encode_words(words))] if zeros < _MOST_ZERO_WORDS else []
    if zeros >= _FEWEST_ZERO_WORDS:
        positions = encode_positions(filled.reshape(_matrix(tuple(tensor.shape))))
        candidates.append(Stored(encode_words(words[filled]), positions))
    return min(candidates, key=lambda stored: stored.cost)


def load_words(spec: Mapping[str, Any], shape: tuple[int, ...], dtype: torch.dtype, body: Body) -> Tensor:
    """Return the tensor that `store_words` stored."""
    size = math.prod(shape)
    if "positions" not in spec:
        return tensor_of(decode_words(spec.get("values"), size, dtype.itemsize, body), shape, dtype)
    positions = decode_positions(spec["positions"], _matrix(shape), body)
    words = np.zeros(size, dtype=f"<u{dtype.itemsize}")
    words[positions] = decode_words(spec.get("values"), len(positions), dtype.itemsize, body)
    return tensor_of(words, shape, dtype)


def store_codes(weight: Tensor, grid: Grid) -> Stored | None:
    """Return the shortest form of the codes of a float32 weight, or None where they do not give back all its bits."""
    codes = grid.encode(weight)
    if not same_bits(grid.decode(codes), weight):
        return None
    shape = tuple(weight.shape)
    plain = codes.numpy().reshape(-1).astype(np.int32)
    zero = _zero_codes(grid, shape)
    centred = plain - zero
    forms = {False: plain, True: centred} if zero.any() else {False: plain}
    filled = centred != 0
    candidates = []
    if _share_of_zeros(filled) >= _FEWEST_ZERO_CODES:
        positions = encode_positions(filled.reshape(_matrix(shape)))
        candidates += [Stored(encode_codes(form[filled]), positions, key) for key, form in forms.items()]
    shortest = min((stored.cost for stored in candidates), default=sys.maxsize)
    candidates += [
        Stored(encode_codes(form), None, key)
        for key, form in forms.items()
        if not candidates or has_a_chance(expected_length(form), shortest)
    ]
    return min(candidates, key=lambda stored: stored.cost)


def load_codes(spec: Mapping[str, Any], shape: tuple[int, ...], grid: Grid, body: Body) -> Tensor:
    """Return the weight that `store_codes` stored."""
    codes = _zero_codes(grid, shape).copy()
    positions: Any = slice(None)
    count = len(codes)
    if "positions" in spec:
        positions = decode_positions(spec["positions"], _matrix(shape), body)
        count = len(positions)
    values = decode_codes(spec.get("values"), count, body)
    codes[positions] = values + codes[positions] if spec.get("centred") is True else values
    highest = len(grid.levels) if grid.spec.kind == "codebook" else grid.spec.highest
    if len(codes) and not grid.spec.lowest <= codes.min() <= codes.max() <= highest:
        raise damaged(f"a code lies outside the grid of {grid.spec.bits} bits")
    return grid.decode(torch.from_numpy(codes.astype(np.int16)).reshape(shape))


def words_of(tensor: Tensor) -> Words:
    """Return the bits of a tensor as little-endian unsigned words [N]."""
    flat = tensor.detach().cpu().contiguous().reshape(-1)
    size = tensor.itemsize
    return flat.view(_INTEGERS[size]).numpy().view(f"=u{size}").astype(f"<u{size}", copy=False)


def tensor_of(words: Words, shape: tuple[int, ...], dtype: torch.dtype) -> Tensor:
    """Return the tensor with these bits."""
    if dtype == torch.bool and len(words) and words.max() > 1:
        raise damaged("a truth value is neither 0 nor 1")
    size = dtype.itemsize
    whole = torch.from_numpy(words.astype(f"=u{size}").view(f"=u{size}" if size == 1 else f"=i{size}"))
    return whole.view(dtype).reshape(shape)


def same_bits(a: Tensor, b: Tensor) -> bool:
    """Return whether two tensors of one type hold the same bits: -0.0 is not 0.0, and NaN equals itself."""
    return a.dtype == b.dtype and a.shape == b.shape and bool((words_of(a) == words_of(b)).all())


def check_storable(name: str, tensor: Tensor) -> None:
    """Raise `Refused` for a tensor that a file cannot hold."""
    if is_lazy(tensor):
        raise Refused(f"{name} has no values yet: run the network once, so that its lazy layers take their shape")
    plain = tensor.layout == torch.strided and not tensor.is_quantized
    if not plain or tensor.is_meta or str(tensor.dtype).removeprefix("torch.") not in DTYPES:
        raise Refused(
            f"{name} cannot be written to a packed file: expected a dense tensor of {', '.join(DTYPES)}, "
            f"got {tensor.dtype} ({tensor.layout}, on {tensor.device})"
        )


def _matrix(shape: tuple[int, ...]) -> tuple[int, int]:
    """Return the shape of a weight [out, ...] as a matrix; a vector is one row."""
    return (shape[0], math.prod(shape[1:])) if len(shape) > 1 else (1, math.prod(shape))


def _share_of_zeros(filled: NDArray[np.bool_]) -> float:
    """Return it, and 0 where there is nothing else: all zeros are stored as one."""
    count = int(np.count_nonzero(filled))
    return 1 - count / len(filled) if count else 0.0


def _zero_codes(grid: Grid, shape: tuple[int, ...]) -> Codes:
    zero = grid.zero.to(torch.int32) if len(grid.zero) else torch.zeros(1, dtype=torch.int32)
    return zero.view(-1, *[1] * (len(shape) - 1)).expand(shape).reshape(-1).numpy()
