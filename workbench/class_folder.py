"""The folder that a class shares: one JSON file for each name, whose owner alone replaces it.

    FOLDER/submissions/ann-0f6b2c9a41d7e385.json

The first to submit under a name has it (`workbench.ownership`). That keeps people from overwriting each other by
mistake. It does not keep out one who edits files in the folder. A file that cannot be used is named in a sentence and
left out; the others count.

Files are put in their place whole, by renaming: that works on network folders where the locks of a database do not.
"""

from __future__ import annotations

import errno
import hmac
import itertools
import os
import stat
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from reprlib import repr as brief

from workbench.errors import Refused
from workbench.files import make_folder, write_new, write_whole
from workbench.submissions import MOST_BYTES, Submission, Unreadable, from_bytes, holder, to_bytes

MOST_FILES = 500
"""Files that are read of a folder; a class has fewer."""
MOST_TOTAL = 16 * 2**20
"""Bytes that are read of a folder, all files together: every kernel of a class keeps what it has read."""


@dataclass(frozen=True, kw_only=True)
class Found:
    """What a folder holds: what can be used, and a sentence for each file that cannot."""

    submissions: tuple[Submission, ...] = ()
    problems: tuple[str, ...] = ()


def submitted(folder: Path, submission: Submission) -> Submission | None:
    """Return what the same owner has submitted before in this place, if anything that can be used.

    Raises `Refused` where that cannot be told: what is there must not be lost.
    """
    path = folder / "submissions" / submission.file
    if not os.path.lexists(path):
        return None
    try:
        found = _checked(path)
    except Unreadable as problem:
        raise _unsure(submission.name, path, problem) from None
    except Refused:
        return None
    return found if hmac.compare_digest(found.owner, submission.owner) else None


def submit(folder: Path, submission: Submission) -> Path:
    """Write a submission, in place of an older one of the same name and owner, and return its file. Raises `Refused`.

    Of two who submit under a new name at once, one gets it. A file that does not say whose it is belongs to nobody; one
    that cannot be read, that is still empty or that a newer workbench has written may be anybody's, and stays.
    """
    content = to_bytes(submission)
    path = make_folder(folder / "submissions") / submission.file
    if write_new(path, content):
        return path
    name = submission.name
    try:
        theirs = _holder(path)
    except Unreadable as problem:
        raise _unsure(name, path, problem) from None
    if theirs and not hmac.compare_digest(theirs, submission.owner):
        raise Refused(f"the name {name!r} is taken by somebody else: choose another one, such as '{name} 2'")
    write_whole(path, content, follow=False)
    return path


@dataclass
class Reader:
    """Reads a folder again and again; only files that have changed are read anew."""

    folder: Path
    _known: dict[str, tuple[tuple[int, ...], Submission | str]] = field(default_factory=dict)

    def read(self) -> Found:
        """Return what is there, by file name; a folder that is not there yet is empty. Raises `Refused`."""
        files = self._files()
        kept, large = _within(sorted(files)[:MOST_FILES], {name: size for name, (_, size, _) in files.items()})
        for name in kept:
            if name not in self._known or self._known[name][0] != files[name]:
                self._known[name] = (files[name], _tried(self.folder / "submissions" / name))
        self._known = {name: self._known[name] for name in kept}
        found = [item for _, item in self._known.values()]
        problems = [item for item in found if isinstance(item, str)]
        if len(files) > MOST_FILES:
            problems.append(f"the folder holds more than {MOST_FILES} files: the others are not read")
        if large:
            problems.append(
                f"the folder holds more than {MOST_TOTAL:,} bytes: the largest "
                f"{'file is' if large == 1 else f'{large} files are'} not read"
            )
        return Found(
            submissions=tuple(item for item in found if isinstance(item, Submission)), problems=tuple(problems)
        )

    def _files(self) -> dict[str, tuple[int, int, int]]:
        """Return what tells each file's versions apart, by name; hidden ones are on their way."""
        found: dict[str, tuple[int, int, int]] = {}
        try:
            with os.scandir(self.folder / "submissions") as entries:
                for entry in itertools.islice(entries, 4 * MOST_FILES):
                    if entry.name.startswith("."):
                        continue
                    try:
                        about = entry.stat(follow_symlinks=False)
                    except FileNotFoundError:
                        continue  # removed meanwhile
                    found[entry.name] = (about.st_mtime_ns, about.st_size, about.st_ino)
        except FileNotFoundError:
            return {}
        except OSError as error:
            raise Refused(
                f"{self.folder} cannot be read: {error.strerror or error}; "
                "whoever set up this folder of a class can change that"
            ) from None
        return found


def _within(names: list[str], sizes: Mapping[str, int]) -> tuple[list[str], int]:
    """Return the names of the files that are read together, in their order, and how many are not: the largest."""
    room, kept = MOST_TOTAL, set()
    for name in sorted(names, key=lambda name: sizes[name]):
        room -= sizes[name] if sizes[name] <= MOST_BYTES else 0  # what is larger is not kept anyway
        if room < 0:
            break
        kept.add(name)
    return [name for name in names if name in kept], len(names) - len(kept)


def _tried(path: Path) -> Submission | str:
    try:
        return _checked(path)
    except Refused as refusal:
        return f"the file {brief(path.name)} is left out: {refusal}"


def _unsure(name: str, path: Path, problem: Unreadable) -> Refused:
    return Refused(
        f"whose the name {name!r} is cannot be told from {path.name}: {problem}; "
        "try again in a moment, choose another name, or ask whoever runs the class"
    )


def _holder(path: Path) -> str:
    """Return whose a file is; "" for a broken one, which belongs to nobody. Raises `Unreadable`."""
    try:
        return holder(_content(path))
    except Unreadable:
        raise
    except Refused:
        return ""


def _checked(path: Path) -> Submission:
    found = from_bytes(_content(path))
    if found.file != path.name:
        raise Refused("its name is not that of what it holds, so somebody has copied or renamed it")
    return found


def _content(path: Path) -> bytes:
    """Return what is in a file of ordinary size: not what a link leads to, and not what a pipe would never end."""
    flags = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
    try:
        with open(os.open(path, flags), "rb") as file:  # noqa: PTH123  # a Path cannot be opened with flags
            if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                raise Refused("it is no plain file")
            content = file.read(MOST_BYTES + 1)
    except OSError as error:
        kind = Refused if error.errno == errno.ELOOP else Unreadable  # a link is nobody's submission
        raise kind(f"it cannot be read: {error.strerror or error}") from None
    if len(content) > MOST_BYTES:
        raise Refused(f"it is larger than {MOST_BYTES:,} bytes")
    return content
