"""Streams of whole machine words, bit for bit: constant, raw, zstd, or with their exponents entropy-coded.

Trained float32 weights look like noise except for their exponents, of which a handful of values make up most. `split`
turns each word left by one bit, which brings an IEEE exponent into the top byte, codes the top bytes as a stream of
codes and keeps the others raw: 27 bits for a float32 without any loss. What the header says of a stream is one of

    ["constant", word]
    ["fixed", exponent, codes]     float32 numbers code * 2^exponent: what was rounded to a fixed point
    ["raw"]                        little-endian words
    ["zstd", length]               the same in a zstd frame of `length` bytes
    ["split", codes]               top bytes as `codes` says (see `_codes`), then the lower bytes of each word
    ["planes", codes, ...]         all bytes so, from the lowest to the top: what was rounded has bits that never change
"""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from workbench.export._coded import Coded, deflate, shortest
from workbench.export._codes import MOST_SYMBOLS, decode_codes, encode_codes
from workbench.export._container import Body, checked, damaged, inflate

Words: TypeAlias = NDArray[np.integer[Any]]
"""Little-endian unsigned words of 1, 2, 4 or 8 bytes."""


_HIGHEST_EXPONENT = 100
"""Codes times two to this are finite."""


def encode_words(words: Words) -> Coded:
    """Return the shortest stream of the words."""
    if not len(words) or (words == words[0]).all():
        return Coded(["constant", int(words[0]) if len(words) else 0])
    data = words.tobytes()
    frame = deflate(data)
    candidates = [Coded(["raw"], data), Coded(["zstd", len(frame)], frame)]
    ever = np.bitwise_or.reduce(words)
    if words.itemsize > 1:
        turned = _bytes(_turned(words))
        top = encode_codes(turned[:, -1].astype(np.int32))
        candidates.append(Coded(["split", top.spec], top.data + turned[:, :-1].tobytes(), top.table))
        if (_bytes(_turned(ever[None]))[0, :-1] != 255).any():
            planes = [*(encode_codes(plane.astype(np.int32)) for plane in turned.T[:-1]), top]
            content = b"".join(plane.table + plane.data for plane in planes)
            candidates.append(Coded(["planes", *(plane.spec for plane in planes)], content))
    if words.itemsize == 4 and not ever & 0x3FFF and (fixed := _fixed(words)) is not None:
        candidates.append(fixed)  # numbers of more than ten binary digits are more than the codes of a stream span
    return shortest(candidates)


def _fixed(words: Words) -> Coded | None:
    """Return float32 words as codes of a fixed point, or None where they are not few multiples of a power of two."""
    numbers = words.view("<f4").astype(np.float64)
    used = numbers[numbers != 0]
    if not len(used) or not np.isfinite(used).all() or (words == 0x80000000).any():
        return None
    mantissa, exponents = np.frexp(used)
    whole = (mantissa * 1024).astype(np.int64)
    exponent = int((exponents - 10 + np.log2(whole & -whole).astype(np.int64)).min())
    if int(exponents.max()) - exponent > 10 or exponent > _HIGHEST_EXPONENT:
        return None
    values = np.ldexp(numbers, -exponent).astype(np.int32)
    if values.max() - values.min() >= MOST_SYMBOLS:
        return None
    codes = encode_codes(values)
    return Coded(["fixed", exponent, codes.spec], codes.data, codes.table)


def decode_words(spec: Any, count: int, itemsize: int, body: Body) -> Words:
    """Return the `count` words of a stream; raises `Refused` for a spec that this module does not write."""
    kind = np.dtype(f"<u{itemsize}")
    match checked(spec):
        case ["constant", int(word)] if 0 <= word < 2 ** (8 * itemsize):
            return np.full(count, word, dtype=kind)
        case ["raw"]:
            return np.frombuffer(body.take(count * itemsize), dtype=kind)
        case ["zstd", int(length)]:
            data = inflate(bytes(body.take(length)), limit=count * itemsize)
            if len(data) != count * itemsize:
                raise damaged(f"a stream holds {len(data)} bytes, expected {count * itemsize}")
            return np.frombuffer(data, dtype=kind)
        case ["split", top] if itemsize > 1:
            turned = np.empty((count, itemsize), dtype=np.uint8)
            turned[:, -1] = decode_codes(top, count, body).astype(np.uint8)
            lower = body.take(count * (itemsize - 1))
            turned[:, :-1] = np.frombuffer(lower, dtype=np.uint8).reshape(count, itemsize - 1)
            words = turned.reshape(-1).view(kind)
            return (words >> 1) | (words << (8 * itemsize - 1))
        case ["planes", *planes] if len(planes) == itemsize > 1:
            turned = np.stack([decode_codes(plane, count, body).astype(np.uint8) for plane in planes], axis=1)
            words = turned.reshape(-1).view(kind)
            return (words >> 1) | (words << (8 * itemsize - 1))
        case ["fixed", int(exponent), codes] if itemsize == 4 and -149 <= exponent <= _HIGHEST_EXPONENT:
            numbers = np.ldexp(decode_codes(codes, count, body).astype(np.float64), exponent)
            return numbers.astype("<f4").view("<u4")
    raise damaged(f"it holds a stream of an unknown kind, {str(spec)[:60]}")


def _turned(words: Words) -> Words:
    return (words << 1) | (words >> (8 * words.itemsize - 1))


def _bytes(words: Words) -> NDArray[np.uint8]:
    return words.view(np.uint8).reshape(len(words), words.itemsize)
