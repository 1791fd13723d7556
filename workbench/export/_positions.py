"""Where the non-zeros of an array are: a bitmap, or the gaps between them.

A gap is the number of zeros before the next non-zero. Gaps above a limit are written as `limit` itself, which means:
that many zeros, and go on reading (Deep Compression writes a filler zero there, Han et al. 2016,
https://arxiv.org/abs/1510.00149; here the values stay untouched). What the header says is one of

    ["bitmap", codes]                  a stream of `size` bits, 1 where there is a value (see `_codes`)
    ["gaps", limit, count, codes]      a stream of `count` gaps
"""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from workbench.export._coded import Coded, shortest
from workbench.export._codes import decode_codes, encode_codes
from workbench.export._container import Body, checked, damaged

Positions: TypeAlias = NDArray[np.int64]


def encode_positions(filled: NDArray[np.bool_]) -> Coded:
    """Return the shortest form of where `filled` [N] is true."""
    bitmap = encode_codes(filled.astype(np.int32))
    zeros = np.diff(np.flatnonzero(filled), prepend=-1) - 1
    limit = min((2**width - 1 for width in range(1, 9)), key=lambda limit: _packed_bits(zeros, limit))
    stream = _with_escapes(zeros, limit)
    gaps = encode_codes(stream)
    return shortest(
        (
            Coded(["bitmap", bitmap.spec], bitmap.data, bitmap.table),
            Coded(["gaps", limit, len(stream), gaps.spec], gaps.data, gaps.table),
        )
    )


def decode_positions(spec: Any, size: int, body: Body) -> Positions:
    """Return the ascending positions in an array of `size`; raises `Refused` for a spec not written here."""
    match checked(spec):
        case ["bitmap", codes]:
            return np.flatnonzero(decode_codes(codes, size, body))
        case ["gaps", int(limit), int(count), codes] if 1 <= limit <= 255 and 0 <= count <= size:
            stream = decode_codes(codes, count, body)
            if count and not 0 <= stream.min() <= stream.max() <= limit:
                raise damaged("a gap between weights is out of range")
            value = stream < limit
            positions = (np.cumsum(stream + value, dtype=np.int64) - 1)[value]
            if len(positions) and positions[-1] >= size:
                raise damaged("a weight lies behind the end of its tensor")
            return positions
    raise damaged(f"it marks non-zero weights in an unknown way, {str(spec)[:60]}")


def _packed_bits(zeros: Positions, limit: int) -> int:
    return (len(zeros) + int((zeros // limit).sum())) * limit.bit_length()


def _with_escapes(zeros: Positions, limit: int) -> NDArray[np.int32]:
    escapes = zeros // limit
    stream = np.full(len(zeros) + int(escapes.sum()), limit, dtype=np.int32)
    stream[np.cumsum(escapes + 1) - 1] = zeros % limit
    return stream
