"""Streams of small whole numbers: constant, bit-packed, zstd, or entropy-coded.

Every value is `low + step * symbol`, with symbols from 0; the step is the greatest one possible, so that the codes -1
and +1 of a one-bit grid take one bit. What the header says of a stream is one of

    ["constant", low]
    ["packed", low, step, width]           symbols of `width` bits, the first in the lowest bits of the first byte
    ["zstd", low, step, width, length]     the same bytes in a zstd frame of `length` bytes
    ["ans", low, step, size, entry, length]    a table of `size` frequencies, `entry` bits each; then `length` bytes

The entropy coder is constriction's ANS coder with a categorical model (Duda 2009, https://arxiv.org/abs/0902.0271).
A frequency is kept as its logarithm: entries of 4 bits in half octaves, entries of 8 bits in eighths of an octave, and
0 for a symbol that does not occur. They are whole numbers, so that every machine rebuilds the same model.
"""

from __future__ import annotations

from typing import Any, TypeAlias, final

import constriction
import numpy as np
from numpy.typing import NDArray

from workbench.export._coded import Coded, deflate, shortest
from workbench.export._container import Body, checked, damaged, inflate

Codes: TypeAlias = NDArray[np.int32]

_EIGHTHS = np.array([32768, 35734, 38968, 42495, 46341, 50535, 55109, 60097], dtype=np.int64)
"""2^15 times 2^(k/8)."""
_EIGHTHS_PER_LEVEL = {4: 4, 8: 1}
_WIDEST = 8
MOST_SYMBOLS = 1024
"""Values of a stream span less than this."""
_FARTHEST = 2**16


def encode_codes(values: Codes) -> Coded:
    """Return the shortest stream of the values, which must span less than 1024."""
    if not len(values):
        return Coded(["constant", 0])
    low = int(values.min())
    counts = np.bincount(values - low)
    step = int(np.gcd.reduce(np.flatnonzero(counts)))
    if step == 0:
        return Coded(["constant", low])
    symbols = (values - low) // step if step > 1 else values - low
    candidates = [_entropy_coded(symbols, counts[::step], low, step)]
    width = int(symbols.max()).bit_length()
    if width <= _WIDEST:
        packed = pack_bits(symbols, width)
        frame = deflate(packed)
        candidates.append(Coded(["packed", low, step, width], packed))
        candidates.append(Coded(["zstd", low, step, width, len(frame)], frame))
    return shortest(candidates)


def expected_length(values: Codes) -> float:
    """Return about how many bytes the entropy coder takes for the values: quickly, without writing them."""
    if not len(values):
        return 0.0
    counts = np.bincount(values - values.min())
    symbols = np.flatnonzero(counts)
    used = counts[symbols]
    table = symbols[-1] / (2 * max(np.gcd.reduce(symbols), 1))
    return float((used * np.log2(len(values) / used)).sum() / 8 + table)


def decode_codes(spec: Any, count: int, body: Body) -> Codes:
    """Return the `count` values of a stream; raises `Refused` for a spec that this module does not write."""
    match checked(spec):
        case ["constant", int(low)] if abs(low) <= _FARTHEST:
            return np.full(count, low, dtype=np.int32)
        case ["packed", int(low), int(step), int(width)] if 1 <= width <= _WIDEST:
            symbols = unpack_bits(body.take(packed_length(count, width)), count, width)
        case ["zstd", int(low), int(step), int(width), int(length)] if 1 <= width <= _WIDEST:
            size = packed_length(count, width)
            packed = inflate(bytes(body.take(length)), limit=size)
            if len(packed) != size:
                raise damaged(f"a stream holds {len(packed)} bytes, expected {size}")
            symbols = unpack_bits(packed, count, width)
        case ["ans", int(low), int(step), int(size), int(entry), int(length)] if (
            2 <= size <= MOST_SYMBOLS and entry in _EIGHTHS_PER_LEVEL
        ):
            levels = unpack_bits(body.take(packed_length(size, entry)), size, entry)
            decoder = Decoder(body.take(length))
            symbols = decoder.take(model_of(levels, entry), count)
            decoder.finish()
        case _:
            raise damaged(f"it holds a stream of an unknown kind, {str(spec)[:60]}")
    if abs(low) > _FARTHEST or not 1 <= step <= MOST_SYMBOLS:
        raise damaged(f"a stream has the codes {low} + {step} k")
    return low + step * symbols


def pack_bits(symbols: Codes, width: int) -> bytes:
    """Return symbols of `width` bits, at most 8, one behind the other; the first is in the lowest bits."""
    groups = np.zeros((-(-len(symbols) // 8), 8), dtype=np.uint64)  # eight symbols fill `width` whole bytes
    groups.reshape(-1)[: len(symbols)] = symbols
    joined = np.bitwise_or.reduce(groups << (np.arange(8, dtype=np.uint64) * np.uint64(width)), axis=1)
    packed: bytes = joined.astype("<u8").view(np.uint8).reshape(-1, 8)[:, :width].tobytes()
    return packed[: packed_length(len(symbols), width)]


def unpack_bits(packed: bytes | memoryview, count: int, width: int) -> Codes:
    """Return the `count` symbols that `pack_bits` wrote."""
    groups = np.zeros((-(-count // 8), 8), dtype=np.uint8)
    whole = np.zeros(len(groups) * width, dtype=np.uint8)
    whole[: len(packed)] = np.frombuffer(packed, dtype=np.uint8)
    groups[:, :width] = whole.reshape(-1, width)
    joined = groups.view("<u8").astype(np.uint64)
    symbols = (joined >> (np.arange(8, dtype=np.uint64) * np.uint64(width))) & np.uint64(2**width - 1)
    return symbols.reshape(-1)[:count].astype(np.int32)


def packed_length(count: int, width: int) -> int:
    """Return how many bytes `count` symbols of `width` bits take."""
    return -(-count * width // 8)


def _entropy_coded(symbols: Codes, counts: NDArray[np.int64], low: int, step: int) -> Coded:
    octaves = np.log2(counts.max() / np.maximum(counts, 1))
    tables = {entry: _levels(counts, octaves, entry) for entry in _EIGHTHS_PER_LEVEL}
    entry = min(tables, key=lambda bits: _written_length(counts, tables[bits], bits))
    coder = constriction.stream.stack.AnsCoder()
    coder.encode_reverse(np.ascontiguousarray(symbols), model_of(tables[entry], entry))
    data = coder.get_compressed().astype("<u4").tobytes()
    return Coded(["ans", low, step, len(counts), entry, len(data)], data, pack_bits(tables[entry], entry))


def _levels(counts: NDArray[np.int64], octaves: NDArray[np.float64], entry: int) -> Codes:
    """Return the levels of symbols that are so many octaves less frequent than the most frequent one."""
    top = 2**entry - 1
    levels = top - np.round(octaves * 8 / _EIGHTHS_PER_LEVEL[entry])
    return np.where(counts > 0, np.maximum(levels, 1), 0).astype(np.int32)


def _frequencies(levels: Codes, entry: int) -> NDArray[np.float64]:
    octaves, eighths = np.divmod(levels.astype(np.int64) * _EIGHTHS_PER_LEVEL[entry], 8)
    return np.where(levels > 0, _EIGHTHS[eighths] << octaves, 0).astype(np.float64)


def _written_length(counts: NDArray[np.int64], levels: Codes, entry: int) -> float:
    frequencies = _frequencies(levels, entry)
    used = counts > 0
    bits = -(counts[used] * np.log2(frequencies[used] / frequencies.sum())).sum()
    return float(bits) / 8 + packed_length(len(counts), entry)


def model_of(levels: Codes, entry: int = 8) -> Any:
    """Return the model of the entropy coder for symbols whose frequencies have these levels, not all of them 0."""
    if not levels.any():
        raise damaged("an entropy-coded part of it has no symbols")
    # `perfect` is named because its default is announced to change, and the file depends on it
    return constriction.stream.model.Categorical(_frequencies(levels, entry), perfect=False)


@final
class Decoder:
    """Takes symbols from the bytes that the entropy coder wrote, and refuses anything else."""

    def __init__(self, data: memoryview) -> None:
        try:
            self._coder = constriction.stream.stack.AnsCoder(np.frombuffer(data, dtype="<u4").astype(np.uint32))
        except ValueError:
            raise damaged("an entropy-coded part of it cannot be read") from None

    def take(self, model: Any, count: int) -> Codes:
        """Return the next `count` symbols."""
        try:
            symbols: Codes = self._coder.decode(model, count)
        except ValueError:
            raise damaged("an entropy-coded part of it cannot be read") from None
        return symbols

    def finish(self) -> None:
        """Raise `Refused` unless every symbol was taken."""
        if not self._coder.is_empty():
            raise damaged("an entropy-coded part of it is longer than what it codes")
