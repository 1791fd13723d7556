"""Where the non-zeros of a matrix are, in the shortest of several forms.

The matrix of a weight [out, ...] has a row for each output channel; a vector is one row. What the header says is one of

    ["bitmap", group, codes]              a stream of groups of bits, 1 where there is a value, the first bit lowest
    ["gaps", limit, count, codes]         the gaps between values, from the first element to the last
    ["csr", limit, count, rows, codes]    compressed sparse rows: how many values each has; then gaps, anew in each row
    ["densities", rows, columns, length]  bits by the density of their row and column (see `_densities`)

A gap is the number of zeros before the next non-zero. Gaps above a limit are written as `limit` itself, which means:
that many zeros, and go on reading (Deep Compression writes a filler zero there, Han et al. 2016,
https://arxiv.org/abs/1510.00149; here the values stay untouched).

A form is written where its entropy gives it a chance, and the shortest of those written is taken.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from workbench.export._coded import Coded, Form, shortest_form
from workbench.export._codes import MOST_SYMBOLS, Codes, decode_codes, encode_codes, expected_length
from workbench.export._container import Body, checked, damaged
from workbench.export._densities import Filled, by_density, decode_densities

Positions: TypeAlias = NDArray[np.int64]
_GROUP = 4
"""Bits of a bitmap in one code: so a pattern such as 2 of 4 is found, and there are few codes to write."""


def encode_positions(filled: Filled) -> Coded:
    """Return the shortest form of where a matrix `filled` [R, C] is true."""
    return shortest_form((by_density(filled), _bitmap(filled), *_gaps(filled)))


def decode_positions(spec: Any, shape: tuple[int, int], body: Body) -> Positions:
    """Return the ascending positions in a matrix; raises `Refused` for a spec not written here."""
    size = shape[0] * shape[1]
    match checked(spec):
        case ["bitmap", codes]:  # of format 1
            return np.flatnonzero(decode_codes(codes, size, body))
        case ["bitmap", int(group), codes] if group == _GROUP:
            groups = decode_codes(codes, -(-size // group), body)
            if groups.min(initial=0) < 0 or groups.max(initial=0) >= 1 << group:
                raise damaged("a group of a bitmap is out of range")
            bits = np.unpackbits(groups.astype(np.uint8)[:, None], axis=1, count=group, bitorder="little").reshape(-1)
            if bits[size:].any():
                raise damaged("a weight lies behind the end of its tensor")
            return np.flatnonzero(bits)
        case ["gaps", int(limit), int(count), codes] if 1 <= limit <= 255 and 0 <= count <= size:
            positions = _decode_gaps(codes, limit, count, body) - 1
            if len(positions) and positions[-1] >= size:
                raise damaged("a weight lies behind the end of its tensor")
            return positions
        case ["csr", int(limit), int(count), rows, codes] if 1 <= limit <= 255 and 0 <= count <= size:
            return _decode_rows(rows, codes, limit, count, shape, body)
        case ["densities", rows, columns, int(length)]:
            return np.flatnonzero(decode_densities(rows, columns, length, shape, body))
    raise damaged(f"it marks non-zero weights in an unknown way, {str(spec)[:60]}")


def _bitmap(filled: Filled) -> Form:
    flat = filled.reshape(-1)
    padded = np.zeros((-(-len(flat) // _GROUP), _GROUP), dtype=np.bool_)
    padded.reshape(-1)[: len(flat)] = flat
    groups = (padded @ (1 << np.arange(_GROUP, dtype=np.uint8))).astype(np.int32)

    def write() -> Coded:
        codes = encode_codes(groups)
        return Coded(["bitmap", _GROUP, codes.spec], codes.data, codes.table)

    return Form(expected_length(groups), write)


def _gaps(filled: Filled) -> Iterator[Form]:
    """Yield the forms that are made of gaps: one row after the other as a long one, or anew in each row."""
    places = np.flatnonzero(filled)
    gaps = np.diff(places, prepend=-1) - 1
    # some widths above the mean there are few escapes
    limit = 2 ** min(int(gaps.mean()).bit_length() + 1, 8) - 1 if len(gaps) else 1
    stream = _with_escapes(gaps, limit)

    def write() -> Coded:
        codes = encode_codes(stream)
        return Coded(["gaps", limit, len(stream), codes.spec], codes.data, codes.table)

    yield Form(expected_length(stream), write)
    rows = filled.sum(1, dtype=np.int32)
    if rows.max(initial=0) - rows.min(initial=0) >= MOST_SYMBOLS:
        return
    firsts = (np.cumsum(rows) - rows)[rows > 0]
    gaps[firsts] = places[firsts] % filled.shape[1]
    stream_in_rows = _with_escapes(gaps, limit)

    def write_rows() -> Coded:
        counts, codes = encode_codes(rows), encode_codes(stream_in_rows)
        spec = ["csr", limit, len(stream_in_rows), counts.spec, codes.spec]
        return Coded(spec, codes.data, counts.table + counts.data + codes.table)

    yield Form(expected_length(rows) + expected_length(stream_in_rows), write_rows)


def _with_escapes(gaps: Positions, limit: int) -> Codes:
    escapes = gaps // limit
    stream = np.full(len(gaps) + int(escapes.sum()), limit, dtype=np.int32)
    stream[np.cumsum(escapes + 1) - 1] = gaps % limit
    return stream


def _decode_gaps(codes: Any, limit: int, count: int, body: Body) -> Positions:
    """Return how many elements there are up to each value, itself included, if rows did not begin anew."""
    stream = decode_codes(codes, count, body)
    if count and not 0 <= stream.min() <= stream.max() <= limit:
        raise damaged("a gap between weights is out of range")
    value = stream < limit
    return np.cumsum(stream + value, dtype=np.int64)[value]


def _decode_rows(rows: Any, codes: Any, limit: int, count: int, shape: tuple[int, int], body: Body) -> Positions:
    lengths = decode_codes(rows, shape[0], body)
    if len(lengths) and not 0 <= lengths.min() <= lengths.max() <= shape[1]:
        raise damaged("a row holds an impossible number of weights")
    reached = _decode_gaps(codes, limit, count, body)
    if int(lengths.sum()) != len(reached):
        raise damaged("its rows do not hold as many weights as they say")
    before = np.concatenate((np.zeros(1, dtype=np.int64), reached))[np.cumsum(lengths) - lengths]
    columns = reached - np.repeat(before, lengths) - 1
    if len(columns) and columns.max() >= shape[1]:
        raise damaged("a weight lies behind the end of its row")
    positions: Positions = columns + shape[1] * np.repeat(np.arange(shape[0]), lengths)
    return positions
