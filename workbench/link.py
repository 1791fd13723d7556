"""Links that carry a job: the names of model and data, the recipe and the seed, in the fragment of an address.

    https://HOST/PATH#w1=eNqrVs...

A browser keeps what stands after the `#` to itself: no server and no log sees it. The fragment is JSON, packed with
zlib and written in base64url; the 1 says how. It is data that may come from anybody: nothing in it is run, and what it
may take to read is limited. Weights, files and folders of a machine do not travel in it.
"""

from __future__ import annotations

import base64
import json
import re
import zlib
from reprlib import repr as brief
from typing import Any
from urllib.parse import unquote

from workbench.errors import Refused
from workbench.recipe import Recipe
from workbench.result import DataRef, Job, ModelRef

FORMAT = 1
"""Version of the fragment; raised when an older workbench could misread a newer link."""
_LONGEST = 16_384
"""Characters of a fragment: browsers take far more, chat programs often less."""
_MOST_BYTES = 262_144
_MOST_STEPS = 100
_NAME = 200
_SENTENCE = 400
_PART = re.compile(r"w(\d{1,9})=(.*)", re.DOTALL)
_OWN = ("user:", "folder:")
_AGAIN = "ask for the link again"


def fragment(job: Job) -> str:
    """Return the end of a link, from its `#` on; raises `Refused` where a link cannot carry what the job names."""
    model, data = job.model, job.data
    for name in (model.name, data.name):
        if name.startswith(_OWN):
            raise Refused(f"a link cannot carry {brief(name)}, which is a file of this machine: {_BY_FILE}")
    if model.checkpoint or model.mean or model.std:
        raise Refused(f"a link cannot carry weights or preprocessing of your own: {_BY_FILE}")
    if job.test_data is not None:
        raise Refused(f"a link cannot carry test data besides the data set: {_BY_FILE}")
    content = {"model": model.name, "data": data.name, "recipe": job.recipe.to_dict(), "seed": job.seed}
    text = json.dumps(content, sort_keys=True, separators=(",", ":"), allow_nan=False)
    packed = base64.urlsafe_b64encode(zlib.compress(text.encode(), 9)).decode().rstrip("=")
    if len(packed) > _LONGEST or len(text) > _MOST_BYTES or len(job.recipe.steps) > _MOST_STEPS:
        raise Refused(f"this recipe is too long for a link: {_BY_FILE}")
    return f"#w{FORMAT}={packed}"


_BY_FILE = "share the recipe file instead, which `workbench export --format recipe` and the export panel write"


def carries(address: str) -> bool:
    """Return whether an address, or its fragment alone, is meant to carry a job."""
    return _part(address) is not None


def read(address: str) -> Job:
    """Return the job that an address or its fragment carries.

    Raises `Refused`, with one sentence, for a link without a job, of a newer version, cut off, changed or too large,
    and for what `Recipe.from_dict` refuses. Whether model and data exist is for whoever asks for them.
    """
    part = _part(address)
    if part is None:
        raise Refused(f"expected a link that ends in #w{FORMAT}=..., got {brief(address)}")
    version, packed = part
    if version > FORMAT:
        raise Refused(f"this link has version {version}, this workbench reads up to {FORMAT}: please update it")
    if version < 1:
        raise Refused(f"a link starts with #w{FORMAT}=, got #w{version}=: {_AGAIN}")
    try:
        return _job(_plain(_unpacked(packed)))
    except Refused as refusal:
        raise Refused(_short(str(refusal))) from None


def _part(address: str) -> tuple[int, str] | None:
    """Return version and content of the first part of the fragment that is ours."""
    start, hash_, end = address.strip().partition("#")
    for part in unquote(end if hash_ else start).split("&"):
        if found := _PART.fullmatch(part):
            return int(found[1]), found[2]
    return None


def _unpacked(packed: str) -> bytes:
    if not packed:
        raise Refused(f"this link is cut off after its `=`: {_AGAIN}")
    if len(packed) > _LONGEST:
        raise Refused(f"a link may have {_LONGEST:,} characters, this one has {len(packed):,}")
    if bad := re.search(r"[^A-Za-z0-9_-]", packed):
        raise Refused(f"this link was changed on its way: {bad[0]!r} does not belong there; {_AGAIN}")
    if len(packed) % 4 == 1:  # no bytes are written so
        raise Refused(f"the end of this link is missing: {_AGAIN}")
    try:
        compressed = base64.urlsafe_b64decode(packed + "=" * (-len(packed) % 4))
        work = zlib.decompressobj()
        content = work.decompress(compressed, _MOST_BYTES)  # never more, however much it would become
    except (ValueError, zlib.error):  # binascii.Error is a ValueError
        raise Refused(f"this link was changed or cut off on its way and cannot be read: {_AGAIN}") from None
    if work.unconsumed_tail:
        raise Refused(f"this link unpacks to more than {_MOST_BYTES:,} bytes, more than any recipe needs")
    if not work.eof:
        raise Refused(f"the end of this link is missing: {_AGAIN}")
    if work.unused_data:
        raise Refused(f"something was added to the end of this link: {_AGAIN}")
    return content


def _plain(content: bytes) -> dict[str, Any]:
    try:
        plain = json.loads(content.decode())
        json.dumps(plain, ensure_ascii=False).encode()  # half a surrogate pair could be neither shown nor stored
    except (ValueError, RecursionError):
        raise Refused(f"what this link holds is not the JSON of a job: {_AGAIN}") from None
    if not isinstance(plain, dict) or set(plain) != {"model", "data", "recipe", "seed"}:
        raise Refused(f"a link holds model, data, recipe and seed, this one holds something else: {_AGAIN}")
    return plain


def _job(plain: dict[str, Any]) -> Job:
    names = {}
    for kind in ("model", "data"):
        name = plain[kind]
        if not isinstance(name, str) or not 0 < len(name) <= _NAME:
            raise Refused(f"a link names its {kind} in up to {_NAME} characters, got {brief(name)}")
        if name.startswith(_OWN):
            raise Refused(f"a link must not name files of a machine, got {brief(name)}")
        names[kind] = name
    seed = plain["seed"]
    if isinstance(seed, bool):
        raise Refused(f"the seed must be a whole number, got {seed}")
    recipe = plain["recipe"]
    steps = recipe.get("steps") if isinstance(recipe, dict) else None
    if isinstance(steps, list) and len(steps) > _MOST_STEPS:
        raise Refused(f"a link may carry {_MOST_STEPS} steps, this one has {len(steps):,}")
    return Job(
        model=ModelRef(name=names["model"]),
        data=DataRef(name=names["data"]),
        recipe=Recipe.from_dict(recipe),
        seed=seed,
    )


def _short(text: str, most: int = _SENTENCE) -> str:
    """Return a text without its middle where it is long: a sentence may repeat a name that somebody made up."""
    half = most // 2
    return text if len(text) <= most else f"{text[:half]} … {text[-half:]}"
