"""Weights that came from elsewhere, with a sweep or from a visitor: kept under the SHA-256 of their bytes."""

from __future__ import annotations

import contextlib
import hashlib
from pathlib import Path

from workbench.errors import Refused
from workbench.files import write_whole


def kept_at(folder: Path, sha256: str) -> Path:
    """Return where weights are kept; they need not be there."""
    return folder / f"{sha256}.safetensors"


def keep(content: bytes, folder: Path, room: int | None = None) -> Path:
    """Return the file of weights, written unless it is there. Raises `Refused` where it cannot be written.

    With `room`, those that were kept first make way where all in the folder would take more bytes than that.
    """
    sha256 = hashlib.sha256(content).hexdigest()
    path = kept_at(folder, sha256)
    if _holds(path, sha256):
        return path
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if room is not None:
            _make_way(folder, room - len(content))
    except OSError as error:
        raise Refused(f"the folder {folder} cannot be used: {error.strerror}") from None
    write_whole(path, content)
    return path


def _holds(path: Path, sha256: str) -> bool:
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest() == sha256
    except OSError:
        return False


def _make_way(folder: Path, room: int) -> None:
    """Remove the oldest files; others that write and remove at the same time are no error."""
    found = []
    for path in folder.glob("*.safetensors"):
        with contextlib.suppress(FileNotFoundError):
            found.append((path.stat().st_mtime, path.stat().st_size, path))
    for _, size, path in sorted(found, reverse=True):
        room -= size
        if room < 0:
            path.unlink(missing_ok=True)
