"""Files that are written whole or not at all."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from workbench.errors import Refused


def write_whole(path: Path, content: bytes, *, follow: bool = True) -> None:
    """Write a file so that a reader sees the old content or the new, whatever happens meanwhile. Raises `Refused`.

    `follow=False`, for folders where others write too, puts the file in the place of a link: a link that somebody else
    made may lead to any file of ours.
    """
    path = plain(path) if follow else path
    with _refusing(path), _temporary(path, content) as temporary:
        temporary.chmod(0o666 & ~umask())  # a temporary file is for its owner alone
        temporary.replace(path)


def write_new(path: Path, content: bytes, *, private: bool = False) -> bool:
    """Write a file unless something of its name is there, and return whether it was written. Raises `Refused`.

    Of several processes that do so at once, on one machine or over a network folder, one writes. With `private`, others
    on the machine cannot read it, not even while it is written.
    """
    with _refusing(path), _temporary(path, content) as temporary:
        if not private:
            temporary.chmod(0o666 & ~umask())
        try:
            path.hardlink_to(temporary)
        except FileExistsError:
            return False
        except OSError:  # a file system without hard links
            return _claimed(path, temporary)
    return True


def _claimed(path: Path, content: Path) -> bool:
    """Put a file in a place that is free, and return whether it was; a reader may for a moment see an empty file.

    Whoever makes the empty file has the name. What is then renamed over it is whole, so a full disk leaves no half.
    """
    try:
        os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
    except FileExistsError:
        return False
    try:
        content.replace(path)
    except BaseException:
        path.unlink(missing_ok=True)
        raise
    return True


@contextmanager
def _temporary(path: Path, content: bytes) -> Iterator[Path]:
    """Lend a file beside `path` that holds the content, for its owner alone."""
    temporary = None
    try:
        with tempfile.NamedTemporaryFile(dir=path.parent, prefix=f".{path.name}-", delete=False) as file:
            temporary = Path(file.name)
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        yield temporary
    finally:
        if temporary is not None:
            temporary.unlink(missing_ok=True)


@contextmanager
def _refusing(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise Refused(f"{path} cannot be written: {error.strerror or error}") from None


def make_folder(path: Path) -> Path:
    """Return a folder, made with those around it where it is missing. Raises `Refused`."""
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise Refused(f"the folder {path} cannot be made: {error.strerror or error}") from None
    return path


def plain(path: Path) -> Path:
    """Return where a file would be written, links followed; raises `Refused` for devices, pipes and folders.

    What is renamed over a device takes its place, and then it is gone for everybody.
    """
    path = path.resolve()
    if path.exists() and not path.is_file():
        what = "a folder" if path.is_dir() else "no plain file"
        raise Refused(f"{path} is {what}, expected the name of a file to write")
    return path


def umask() -> int:
    """Return what new files are not allowed, as the person has set it."""
    mask = os.umask(0o077)  # there is no way to read it without setting it
    os.umask(mask)
    return mask
