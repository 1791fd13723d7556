r"""The container of the packed file: a fixed start, a header, the body it describes, and a checksum.

    magic "\x93DSW" | format version u16 | header length u32 | header | body | CRC-32 of all before it u32

Numbers are little-endian. The header is compact JSON in one zstd frame; the body is explained by the header alone.
"""

from __future__ import annotations

import json
import struct
import zlib
from collections.abc import Mapping
from typing import Any, final

import zstandard

from workbench.errors import Refused

FORMAT = 1
"""Version of the file; raised when an older workbench could misread a newer file."""
MAGIC = b"\x93DSW"
_START = struct.Struct("<4sHI")
_CHECKSUM = struct.Struct("<I")
_HEADER_LIMIT = 4 * 2**20


def damaged(what: str) -> Refused:
    """Return the refusal of a file that says something impossible."""
    return Refused(f"the packed file is damaged: {what}; download or export it again")


def write(header: Mapping[str, Any], body: bytes) -> bytes:
    """Return the file; raises `Refused` where the header is not plain JSON."""
    try:
        text = json.dumps(header, separators=(",", ":"), sort_keys=True, ensure_ascii=False, allow_nan=False)
        content = text.encode()
    except (TypeError, ValueError, RecursionError) as error:
        raise Refused(f"what the packed file says about a network must be plain JSON: {error}") from None
    if len(content) > _HEADER_LIMIT:
        raise Refused(
            f"the header of a packed file may have {_HEADER_LIMIT} bytes, got {len(content)}: say less about it"
        )
    frame = zstandard.ZstdCompressor(level=9).compress(content)
    data = _START.pack(MAGIC, FORMAT, len(frame)) + frame + body
    return data + _CHECKSUM.pack(zlib.crc32(data))


def read(data: bytes) -> tuple[dict[str, Any], Body]:
    """Return the header and the body of a file; raises `Refused` for anything but a whole file of a known version."""
    if data[: len(MAGIC)] != MAGIC:
        raise Refused("this is not a packed network: it does not start as one; expected a .dsw file of the workbench")
    if len(data) < _START.size + _CHECKSUM.size:
        raise damaged("it ends within its first bytes")
    _, version, length = _START.unpack_from(data)
    if version > FORMAT:
        raise Refused(f"the packed file has format {version}, and this workbench reads up to {FORMAT}: update it")
    content, checksum = data[: -_CHECKSUM.size], data[-_CHECKSUM.size :]
    if _CHECKSUM.pack(zlib.crc32(content)) != checksum or version < 1:
        raise damaged("its checksum does not fit, so it was cut short or changed")
    body = Body(content[_START.size :])
    return _parse(bytes(body.take(length))), body


def _parse(frame: bytes) -> dict[str, Any]:
    try:
        header = json.loads(inflate(frame, limit=_HEADER_LIMIT), parse_int=_integer)
    except (ValueError, RecursionError) as error:
        raise error if isinstance(error, Refused) else damaged("its header is not JSON") from None
    if not isinstance(header, dict):
        raise damaged("its header is not an object")
    return header


def _integer(digits: str) -> int:
    if len(digits) > 20:  # no number in a file is longer, and comparing or printing huge ones takes long
        raise ValueError
    return int(digits)


def inflate(frame: bytes, *, limit: int) -> bytes:
    """Return the content of a zstd frame; raises `Refused` before allocating more than `limit` bytes."""
    try:
        size = zstandard.frame_content_size(frame)
        if not 0 <= size <= limit:
            raise damaged(f"a part of it unpacks to {size} bytes, expected at most {limit}")
        return zstandard.ZstdDecompressor().decompress(frame, max_output_size=limit, allow_extra_data=False)
    except zstandard.ZstdError:
        raise damaged("a part of it is not a zstd frame") from None


def checked(spec: Any) -> Any:
    """Return the spec of a stream unless it holds true or false, which Python would take for the numbers 1 and 0."""
    if isinstance(spec, list) and any(isinstance(item, bool) for item in spec):
        raise damaged("a stream is described by truth values")
    return spec


@final
class Body:
    """The bytes behind the header, taken in order and never beyond their end."""

    def __init__(self, data: bytes) -> None:
        self._rest = memoryview(data)

    def take(self, length: int) -> memoryview:
        """Return the next `length` bytes; raises `Refused` where fewer are left."""
        if not 0 <= length <= len(self._rest):
            raise damaged(f"it needs {length} more bytes where {len(self._rest)} are left")
        taken, self._rest = self._rest[:length], self._rest[length:]
        return taken

    def finish(self) -> None:
        """Raise `Refused` unless every byte was taken."""
        if len(self._rest):
            raise damaged(f"{len(self._rest)} bytes are left over")
