r"""The container of the packed file: a fixed start, a header, the body it describes, and a checksum.

    magic "\x93DSW" | format version u16 | header length u32 | header | body | CRC-32 of all before it u32

Numbers are little-endian. The header is compact JSON in one zstd frame, from format 2 on with a dictionary of what
headers say, which halves that of a small network; the body is explained by the header alone.
"""

from __future__ import annotations

import json
import struct
import zlib
from collections.abc import Mapping
from typing import Any, final

import zstandard

from workbench.errors import Refused

FORMAT = 2
"""Version of the file; raised when an older workbench could misread a newer file. All older ones are read."""
MAGIC = b"\x93DSW"
_START = struct.Struct("<4sHI")
_CHECKSUM = struct.Struct("<I")
_HEADER_LIMIT = 4 * 2**20
USUAL = zstandard.ZstdCompressionDict(
    b'","norms":["constant",0],"scales":["split",["packed",120,1,2]],["raw"],["zstd",["planes",["constant",0],["ans",0,1,'
    b'"grid":[8,true,false],"grid":[4,true,true],"words":{"values":["raw"]},"dtype":"int64","also":["halves":{"values":'
    b'"positions":["bitmap",4,["ans",0,1,16,8,"positions":["gaps",31,"positions":["csr",31,"centred":true,"powers"],'
    b'{"about":{"classes":["0","1","2","3","4","5","6","7","8","9"],"input":{"mean":[0.485,0.456,0.406],'
    b'"shape":[3,224,224],"std":[0.229,0.224,0.225]}},"about":{},"architecture":"","batches":0,"groups":{},'
    b'"pools":{"biases":["fixed",-8,["ans",-100,1,200,4,300]],"levels":["constant",0],"norms":["constant",0],'
    b'"scales":["constant",0],"zeros":["constant",0]},"tensors":['
    b'{"name":"bn1.weight","pool":"norms","shape":[16]},{"name":"bn1.bias","pool":"norms","shape":[16]},'
    b'{"codes":{"positions":["densities",["ans",-4,1,8,4,100],["ans",-4,1,8,4,200],4000],'
    b'"values":["ans",1,1,7,4,1000]},"grid":[3,false,true,"codebook",7],"masked":true,"name":"conv1.weight",'
    b'"shape":[20,1,5,5]},{"name":"conv1.bias","pool":"biases","shape":[20]}]}',
    dict_type=zstandard.DICT_TYPE_RAWCONTENT,
)
"""Changing it takes a new format."""


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
    frame = zstandard.ZstdCompressor(level=9, dict_data=USUAL, write_dict_id=False).compress(content)
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
    return _parse(bytes(body.take(length)), USUAL if version > 1 else None), body


def _parse(frame: bytes, usual: zstandard.ZstdCompressionDict | None) -> dict[str, Any]:
    try:
        header = json.loads(inflate(frame, limit=_HEADER_LIMIT, usual=usual), parse_int=_integer)
    except (ValueError, RecursionError) as error:
        raise error if isinstance(error, Refused) else damaged("its header is not JSON") from None
    if not isinstance(header, dict):
        raise damaged("its header is not an object")
    return header


def _integer(digits: str) -> int:
    if len(digits) > 20:  # no number in a file is longer, and comparing or printing huge ones takes long
        raise ValueError
    return int(digits)


def inflate(frame: bytes, *, limit: int, usual: zstandard.ZstdCompressionDict | None = None) -> bytes:
    """Return the content of a zstd frame; raises `Refused` before allocating more than `limit` bytes."""
    try:
        size = zstandard.frame_content_size(frame)
        if not 0 <= size <= limit:
            raise damaged(f"a part of it unpacks to {size} bytes, expected at most {limit}")
        return zstandard.ZstdDecompressor(dict_data=usual).decompress(
            frame, max_output_size=limit, allow_extra_data=False
        )
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
