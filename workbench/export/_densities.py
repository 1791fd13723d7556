"""Where the non-zeros of a matrix are, coded by how dense their row and their column are.

Pruning leaves some neurons dense and others nearly empty, and of the pixels of an image hardly those at its border. So
a level, in octaves of the density of the whole matrix, is stored for each row and for each column; the sum of both is
the class of an element, and each class has a probability of its own. On pruned networks this takes a tenth to a
quarter less than the same probability for all. What the header says is

    ["densities", rows, columns, length]

In the body: the levels of the rows and of the columns as streams of codes (see `_codes`); for each class, from the
lowest to the highest sum, a byte 128 + 8 log2(ones / zeros); then `length` bytes of the entropy coder, which hold the
elements class by class, in their order within each class.
"""

from __future__ import annotations

from typing import Any, TypeAlias

import constriction
import numpy as np
from numpy.typing import NDArray

from workbench.export._coded import Coded, Form
from workbench.export._codes import Codes, Decoder, decode_codes, encode_codes, expected_length, model_of
from workbench.export._container import Body, damaged

Filled: TypeAlias = NDArray[np.bool_]

_MOST = 64
"""Largest level: no matrix of a network is 2^64 times sparser than one of its rows."""
_STEEPEST = 127


def by_density(filled: Filled) -> Form:
    """Return this form of where a matrix [R, C] is true."""
    levels = _levels(filled, 1), _levels(filled, 0)
    classes = _classes(*levels)
    counts = np.bincount(classes, minlength=1)
    ones = np.bincount(classes[filled.reshape(-1)], minlength=len(counts))
    odds = _odds(ones, counts - ones)
    chance = 1 / (1 + 2.0 ** ((128.0 - odds) / 8))
    bits = -(ones * np.log2(chance) + (counts - ones) * np.log2(1 - chance)).sum()

    def write() -> Coded:
        parts = [encode_codes(part) for part in levels]
        symbols = filled.reshape(-1)[classes.argsort(kind="stable")].astype(np.int32)
        coder = constriction.stream.stack.AnsCoder()
        for odd, part in reversed([*zip(odds, np.split(symbols, np.cumsum(counts)[:-1]), strict=True)]):
            coder.encode_reverse(part, _model(int(odd)))
        data = coder.get_compressed().astype("<u4").tobytes()
        table = b"".join(part.table + part.data for part in parts) + odds.tobytes()
        return Coded(["densities", *(part.spec for part in parts), len(data)], data, table)

    return Form(float(bits) / 8 + len(counts) + sum(map(expected_length, levels)), write)


def decode_densities(rows: Any, columns: Any, length: int, shape: tuple[int, int], body: Body) -> Filled:
    """Return the matrix that `by_density` wrote; raises `Refused` for anything else."""
    levels = [decode_codes(spec, count, body) for spec, count in zip((rows, columns), shape, strict=True)]
    if any(np.abs(part).max(initial=0) > _MOST for part in levels):
        raise damaged("a density is out of range")
    classes = _classes(*levels)
    sizes = np.bincount(classes, minlength=1)
    odds = np.frombuffer(body.take(len(sizes)), dtype=np.uint8)
    decoder = Decoder(body.take(length))
    bits = [decoder.take(_model(int(odd)), int(size)) for odd, size in zip(odds, sizes, strict=True)]
    decoder.finish()
    filled = np.zeros(len(classes), dtype=np.bool_)
    filled[classes.argsort(kind="stable")] = np.concatenate(bits)
    return filled.reshape(shape)


def _levels(filled: Filled, axis: int) -> Codes:
    # an empty row has a density above zero, and the lower the longer it is
    density = (filled.sum(axis) + 0.3) / (filled.shape[axis] + 0.6)
    octaves: NDArray[np.float64] = np.log2(density * max(filled.size, 1) / max(np.count_nonzero(filled), 1))
    return np.round(octaves).clip(-_MOST, _MOST).astype(np.int32)


def _classes(rows: Codes, columns: Codes) -> NDArray[np.int16]:
    """Return the class of each element [N], from 0."""
    lowest = rows.min(initial=_MOST) + columns.min(initial=_MOST)
    sums: NDArray[np.int16] = (rows[:, None] + columns - lowest).astype(np.int16)
    return sums.reshape(-1)


def _odds(ones: NDArray[np.int64], zeros: NDArray[np.int64]) -> NDArray[np.uint8]:
    eighths = np.round(8 * (np.log2(np.maximum(ones, 2.0**-20)) - np.log2(np.maximum(zeros, 2.0**-20))))
    return (128 + eighths.clip(-_STEEPEST, _STEEPEST)).astype(np.uint8)


def _model(odds: int) -> Any:
    return model_of(np.array([255 - max(odds - 128, 0), 255 - max(128 - odds, 0)], dtype=np.int32))
