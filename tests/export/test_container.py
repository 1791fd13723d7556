from __future__ import annotations

import json
import struct
import zlib

import pytest
import zstandard

from workbench.errors import Refused
from workbench.export import _container


def sealed(content: bytes) -> bytes:
    return content + struct.pack("<I", zlib.crc32(content))


def file(header: bytes, body: bytes = b"", version: int = 1) -> bytes:
    return sealed(b"\x93DSW" + struct.pack("<HI", version, len(header)) + header + body)


def test_header_and_body_come_back() -> None:
    header, body = _container.read(_container.write({"b": [1, "ü"], "a": None}, b"body"))
    assert header == {"b": [1, "ü"], "a": None}
    assert bytes(body.take(4)) == b"body"
    body.finish()


def test_the_layout_is_the_documented_one() -> None:
    data = file(zstandard.compress(b'{"a":1}'), b"xyz")
    header, body = _container.read(data)
    assert header == {"a": 1}
    assert bytes(body.take(3)) == b"xyz"


def test_a_newer_format_is_named() -> None:
    with pytest.raises(Refused, match="format 3, and this workbench reads up to 2"):
        _container.read(file(zstandard.compress(b"{}"), version=3))


def test_headers_of_format_2_are_written_with_the_usual_words() -> None:
    frame = zstandard.ZstdCompressor(dict_data=_container.USUAL, write_dict_id=False).compress(b'{"tensors":[]}')
    assert _container.read(file(frame, version=2))[0] == {"tensors": []}
    with pytest.raises(Refused, match="damaged"):
        _container.read(file(frame, version=1))
    usual = {"architecture": "", "batches": 0, "groups": {}, "pools": {}, "tensors": []}
    assert len(_container.write(usual, b"")) < len(file(zstandard.compress(json.dumps(usual).encode()))) - 40


@pytest.mark.parametrize("data", [b"", b"\x93", b"PK\x03\x04" + bytes(100), b"\x80\x04pickle"])
def test_another_file_is_told_apart(data: bytes) -> None:
    with pytest.raises(Refused, match="not a packed network"):
        _container.read(data)


def test_every_truncation_and_every_changed_byte_is_noticed() -> None:
    data = _container.write({"about": "a small header"}, b"and a body")
    for end in range(len(data)):
        with pytest.raises(Refused):
            _container.read(data[:end])
    for at in range(len(data)):
        changed = bytearray(data)
        changed[at] ^= 1 << at % 8
        with pytest.raises(Refused):
            _container.read(bytes(changed))


@pytest.mark.parametrize(
    "header",
    [
        b"not a frame",
        zstandard.compress(b"not json"),
        zstandard.compress(b"[]"),
        zstandard.compress(b"\xff\xfe"),
        zstandard.compress(b"[" * 100_000),
        zstandard.compress(b'{"a":' + b"9" * 5000 + b"}"),
        zstandard.compress(b'{"a":' + b"9" * 100 + b"}"),
        zstandard.compress(b"{}") + b"more",
        zstandard.ZstdCompressor(write_content_size=False).compress(b"{}"),
    ],
)
def test_a_header_that_is_not_one_is_refused(header: bytes) -> None:
    with pytest.raises(Refused, match="damaged"):
        _container.read(file(header))


def test_a_bomb_is_refused_before_it_unpacks() -> None:
    bomb = zstandard.compress(bytes(50_000_000))
    assert len(bomb) < 10_000
    with pytest.raises(Refused, match="unpacks to 50000000 bytes"):
        _container.read(file(bomb))


def test_a_header_longer_than_the_file_is_refused() -> None:
    with pytest.raises(Refused, match="it needs 4294967295 more bytes"):
        _container.read(sealed(b"\x93DSW" + struct.pack("<HI", 1, 2**32 - 1)))


@pytest.mark.parametrize("about", [{"a": float("nan")}, {"a": {1, 2}}, {"a": b"bytes"}, {"a": "\ud800"}])
def test_only_plain_json_is_written(about: dict[str, object]) -> None:
    with pytest.raises(Refused, match="plain JSON"):
        _container.write(about, b"")


def test_a_header_that_no_reader_would_take_is_not_written() -> None:
    with pytest.raises(Refused, match="say less about it"):
        _container.write({"about": "x" * 5_000_000}, b"")


def test_bytes_left_over_are_refused() -> None:
    _, body = _container.read(file(zstandard.compress(json.dumps({}).encode()), b"more"))
    with pytest.raises(Refused, match="4 bytes are left over"):
        body.finish()
