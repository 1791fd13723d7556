"""Whatever a file says, reading it ends in a network or in a sentence: no other exception, no huge allocation."""

from __future__ import annotations

import copy
import json
import struct
import tracemalloc
import zlib
from collections.abc import Iterator
from typing import Any

import pytest
import torch
import zstandard
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from torch import nn

from workbench.errors import Refused
from workbench.export._container import USUAL
from workbench.export._tensors import words_of
from workbench.export._words import encode_words
from workbench.export.packed import describe, pack, unpack
from workbench.network import layers, weight_format

_START = 10  # bytes before the header

VALUES = st.sampled_from(
    [
        *(None, True, False, 0, 1, -1, 2, 7, 8, 9, 255, 256, 2**16, 2**31, 2**62, -(2**40), 0.5, 4.0, "", [], {}),
        *("words", "float64", "int64", "bool", [4, True, False], ["raw"], ["constant", 0], ["packed", 0, 1, 8]),
        *(["ans", 0, 1, 2, 4, 4], ["split", ["constant", 5]], ["gaps", 1, 3, ["constant", 1]]),
        *(
            ["bitmap", ["constant", 1]],
            ["bitmap", 4, ["constant", 15]],
            ["csr", 3, 4, ["constant", 1], ["constant", 0]],
        ),
        *(["densities", ["constant", 0], ["constant", 1], 4], ["fixed", -3, ["constant", 5]], ["fixed", 127, 9]),
        *(["planes", *[["constant", 1]] * 4], [2, True, True, "codebook", 3], [4, False, True, "powers"]),
    ]
)


def parts(data: bytes) -> tuple[dict[str, Any], bytes]:
    length = struct.unpack_from("<I", data, 6)[0]
    frame = data[_START : _START + length]
    header = json.loads(zstandard.ZstdDecompressor(dict_data=USUAL).decompress(frame))
    return header, data[_START + length : -4]


def joined(header: dict[str, Any], body: bytes) -> bytes:
    frame = zstandard.compress(json.dumps(header).encode())
    data = b"\x93DSW" + struct.pack("<HI", 2, len(frame)) + frame + body
    return data + struct.pack("<I", zlib.crc32(data))


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in items:
        yield (*path, key)
        yield from places(item, (*path, key))


def changed(header: dict[str, Any], path: tuple[Any, ...], value: Any) -> dict[str, Any]:
    result = copy.deepcopy(header)
    inner = result
    for key in path[:-1]:
        inner = inner[key]
    inner[path[-1]] = value
    return result


def read(data: bytes, build: Any) -> nn.Module | str:
    """Return the network of a file, or the sentence that refuses it."""
    try:
        return unpack(data, build)
    except Refused as refusal:
        return str(refusal)


@pytest.fixture
def build() -> Any:
    return lambda _: nn.Sequential(
        nn.Conv2d(1, 8, 3), nn.BatchNorm2d(8), nn.Conv2d(8, 8, 3, groups=8), nn.GroupNorm(2, 8), nn.Linear(8, 50)
    )


KINDS = [
    *((32, 0.0, "uniform"), (32, 0.6, "uniform"), (16, 0.5, "uniform"), (4, 0.0, "uniform"), (2, 0.9, "uniform")),
    *((3, 0.8, "codebook"), (4, 0.0, "codebook"), (3, 0.5, "powers")),
]


@pytest.fixture(params=KINDS, ids=str)
def data(request: pytest.FixtureRequest, build: Any, compressed: Any) -> bytes:
    bits, prune, kind = request.param
    return pack(compressed(build(""), bits=bits, prune=prune, symmetric=bits != 4, kind=kind)).data


RELAXED = settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])


@RELAXED
@given(st.data())
def test_cut_and_changed_files_are_refused(data: bytes, build: Any, draw: st.DataObject) -> None:
    end = draw.draw(st.integers(0, len(data) - 1))
    at, bit = draw.draw(st.integers(0, len(data) - 1)), draw.draw(st.integers(0, 7))
    flipped = bytearray(data)
    flipped[at] ^= 1 << bit
    for broken in (data[:end], bytes(flipped), data + b"\0"):
        with pytest.raises(Refused):
            unpack(broken, build)


@RELAXED
@given(st.data())
def test_a_forged_header_with_a_right_checksum_is_read_or_refused(data: bytes, build: Any, draw: st.DataObject) -> None:
    header, body = parts(data)
    for _ in range(draw.draw(st.integers(1, 2))):
        header = changed(header, draw.draw(st.sampled_from(list(places(header)))), draw.draw(VALUES))
    found = read(joined(header, body), build)
    assert isinstance(found, nn.Module) or 20 < len(found) < 500


@RELAXED
@given(st.data())
def test_a_forged_body_with_a_right_checksum_is_read_or_refused(data: bytes, build: Any, draw: st.DataObject) -> None:
    header, body = parts(data)
    forged = bytearray(body)
    for at, value in draw.draw(st.lists(st.tuples(st.integers(0, len(body) - 1), st.integers(0, 255)), max_size=5)):
        forged[at] = value
    found = read(joined(header, bytes(forged)), build)
    assert isinstance(found, nn.Module) or "damaged" in found


@given(st.binary(max_size=200))
def test_noise_is_refused(noise: bytes) -> None:
    with pytest.raises(Refused):
        describe(noise)
    with pytest.raises(Refused):
        describe(b"\x93DSW" + noise)


def test_a_small_file_cannot_make_a_large_network(build: Any) -> None:
    header, body = parts(pack(build("")).data)
    header["tensors"][0] |= {"shape": [2**20, 1, 2**10, 2**10], "words": {"values": ["constant", 0]}}
    tracemalloc.start()
    try:
        with pytest.raises(Refused, match="does not fit"):
            unpack(joined(header, body), build)
        assert tracemalloc.get_traced_memory()[1] < 20_000_000
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize(
    ("path", "value", "sentence"),
    [
        (("architecture",), "user:evil.py:make", "asks to run code"),
        (("architecture",), 7, "which architecture"),
        (("about",), [], "lacks a part"),
        (("groups",), {"0": 0}, "impossible number of groups"),
        (("batches",), -1, "count of batches"),
        (("tensors",), {}, "a list is missing"),
        (("tensors", 0), None, "list of tensors"),
        (("tensors", 0, "name"), "", "has no name"),
        (("tensors", 1, "name"), "0.weight", "two tensors of one name"),
        (("tensors", 0, "also"), ["4.weight"], "two tensors of one name"),
        (("tensors", 0, "name"), "0.wait", "another architecture"),
        (("tensors", 0, "shape"), [8, 1, 3, -3], "impossible shape"),
        (("tensors", 0, "shape"), [8, 1, 3], "does not fit"),
        (("tensors", 0, "dtype"), "complex64", "unknown type"),
        (("tensors", 0, "grid"), [9, True, True], "no known grid"),
        (("tensors", 0, "grid"), [16, True, True], "does not go with its grid"),
        (("tensors", 0, "grid"), [4, True, True, "codebook", 256], "no known grid"),
        (("tensors", 0, "grid"), [4, True, True, "codebook", -1], "no known grid"),
        (("tensors", 0, "grid"), [4, True, True, "codebook"], "no known grid"),
        (("tensors", 0, "grid"), [4, True, True, "primes"], "no known grid"),
        (("tensors", 0, "words"), {"values": ["raw"]}, "unknown way"),
        (("tensors", 1, "pool"), "scales", "unknown way"),
        (("tensors", 1, "masked"), True, "not the weight of a layer"),
        (("pools", "norms"), ["pickle"], "unknown kind"),
    ],
)
def test_each_forgery_has_its_sentence(
    build: Any, compressed: Any, path: tuple[Any, ...], value: Any, sentence: str
) -> None:
    header, body = parts(pack(compressed(build(""), bits=4)).data)
    with pytest.raises(Refused, match=sentence):
        unpack(joined(changed(header, path, value), body), build)


def test_codes_outside_their_grid_are_refused(build: Any, compressed: Any) -> None:
    header, body = parts(pack(compressed(build(""), bits=4)).data)
    weight = header["tensors"][-2]
    assert weight["name"] == "4.weight"
    weight["codes"]["values"][1] = 5  # the lowest code, so that the highest is 19
    with pytest.raises(Refused, match="outside the grid of 4 bits"):
        unpack(joined(header, body), build)


def test_codes_beyond_their_codebook_and_impossible_levels_are_refused(build: Any, compressed: Any) -> None:
    model = compressed(build(""), bits=2, kind="codebook")
    header, body = parts(pack(model).data)
    grids = [tensor["grid"] for tensor in header["tensors"] if "grid" in tensor]
    assert [grid[3:] for grid in grids] == [["codebook", 3]] * 3
    forged = changed(header, ("tensors", 0, "codes"), {"values": ["constant", 4]})
    with pytest.raises(Refused, match="outside the grid of 2 bits"):
        unpack(joined(forged, body), build)
    stored = encode_words(words_of(torch.cat([weight_format(layer).grid.levels for layer in layers(model).values()])))
    behind = body[len(stored.table + stored.data) :]
    for levels in (["constant", 0], ["constant", 0x7FC00000], ["constant", 0x3F800000]):  # zero, NaN, all the same
        with pytest.raises(Refused, match="impossible codebook"):
            unpack(joined(changed(header, ("pools", "levels"), levels), behind), build)
