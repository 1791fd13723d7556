"""What a class submits to its leaderboard: one JSON file for each name, in a folder that all of them share.

    FOLDER/submissions/ann-0f6b2c9a41d7e385.json

There are no accounts: a person types a name in. The first to submit under a name has it; a random secret in the folder
of their own data tells later that it is theirs, with a word that tells visitors of one served page apart. That keeps
people from overwriting each other by mistake. It does not keep out one who edits files in the folder: whoever may write
there may write anything, and what is in a file is only said by whoever wrote it. So files are small, are JSON, are
checked to the last number, and nothing in them is run. One that cannot be used is named in a sentence and left out; the
others count. `workbench.recheck` runs recipes again.

Only sizes, accuracies with their numbers of images, recipes with their seeds and the keys of jobs travel; intervals are
worked out by whoever reads. Files are put in their place whole, by renaming: that works on network folders where the
locks of a database do not.
"""

from __future__ import annotations

import dataclasses
import errno
import hashlib
import hmac
import itertools
import json
import os
import re
import secrets
import stat
import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from reprlib import repr as brief
from typing import Any

from workbench.errors import Refused
from workbench.files import make_folder, write_new, write_whole
from workbench.measure._intervals import wilson
from workbench.recipe import Recipe
from workbench.resources import cache_home
from workbench.result import DataRef, Estimate, Job, ModelRef

FORMAT = 1
LONGEST_NAME = 40
MOST_POINTS = 200
MOST_BYTES = 512 * 1024
MOST_FILES = 500
"""Files that are read of a folder; a class has fewer."""
MOST_TOTAL = 16 * 2**20
"""Bytes that are read of a folder, all files together: every kernel of a class keeps what it has read."""
_MOST_STEPS = 100
_LARGEST = 2**50
_MOST_IMAGES = 10**7
_WHOLE = 1e-6
"""How far from a whole number of images an accuracy may be: it is a fraction with rounding."""
_NAME = 200
_KEY = re.compile(r"[0-9a-f]{32}")
_OWNER = re.compile(r"[0-9a-f]{64}")
_OWN = ("user:", "folder:")


class Unreadable(Refused):
    """A file may be somebody's, and cannot be read here, or not yet: it is not ours to replace."""


@dataclass(frozen=True, kw_only=True)
class Point:
    """One result of a recipe, as somebody says that they measured it."""

    key: str
    recipe: Recipe
    seed: int
    size_bytes: int
    accuracy: Estimate


@dataclass(frozen=True, kw_only=True)
class Submission:
    """The points of one name about one model on one data set."""

    name: str
    owner: str
    """Tells whose the name is, and not the secret behind it."""
    model: str
    data: str
    points: tuple[Point, ...]

    def job(self, point: Point) -> Job:
        """Return the question that a point says it answers."""
        model, data = ModelRef(name=self.model), DataRef(name=self.data)
        return Job(model=model, data=data, recipe=point.recipe, seed=point.seed)

    @property
    def file(self) -> str:
        """The name of the file that this has to be in."""
        words = re.sub(r"[^a-z0-9]+", "-", _folded(self.name)).strip("-")[:24]
        told = "\0".join((_folded(self.name), self.model, self.data))
        return f"{words or 'name'}-{hashlib.sha256(told.encode()).hexdigest()[:16]}.json"


@dataclass(frozen=True, kw_only=True)
class Found:
    """What a folder holds: what can be used, and a sentence for each file that cannot."""

    submissions: tuple[Submission, ...] = ()
    problems: tuple[str, ...] = ()


def clean_name(text: str) -> str:
    """Return a name as it is shown: spaces at the ends and in rows taken out. Raises `Refused`."""
    name = " ".join(unicodedata.normalize("NFC", text).split())
    if not name:
        raise Refused("type a name first: it stands on the board, and may be invented")
    if len(name) > LONGEST_NAME:
        raise Refused(f"a name has up to {LONGEST_NAME} characters, got {len(name):,}")
    if any(unicodedata.category(letter)[0] == "C" for letter in name) or not any(map(str.isalnum, name)):
        raise Refused("a name is made of letters, digits, spaces and signs that can be seen, with a letter or a digit")
    return name


def owner(name: str, who: str = "") -> str:
    """Return what tells that a name is ours, without giving away how. Raises `Refused` where nothing can be kept.

    `who` tells apart those who share one home, such as the visitors of a served page.
    """
    path = _secret_file()
    if not os.path.lexists(path):  # of two kernels that make one at once, both read what the first has written
        write_new(make_folder(path.parent) / path.name, secrets.token_hex(32).encode(), private=True)
    return _signed(_secret(path), name, who)


def own_names(submissions: Iterable[Submission], who: str = "") -> frozenset[str]:
    """Return the names of those submissions that are ours; nothing is written, and without a secret none is."""
    try:
        secret = _secret(_secret_file())
    except Refused:
        return frozenset()  # looking is for everybody; who submits is told what is wrong
    return frozenset(s.name for s in submissions if hmac.compare_digest(s.owner, _signed(secret, s.name, who)))


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


def size_bytes(submission: Submission) -> int:
    """Return how many bytes the file of a submission has."""
    return len(_written(submission))


def submit(folder: Path, submission: Submission) -> Path:
    """Write a submission, in place of an older one of the same name and owner, and return its file. Raises `Refused`.

    Of two who submit under a new name at once, one gets it. A file that does not say whose it is belongs to nobody; one
    that cannot be read, that is still empty or that a newer workbench has written may be anybody's, and stays.
    """
    content = _written(submission)
    again = _submission(json.loads(content))  # what would be left out when it is read is not written
    if len(content) > MOST_BYTES:
        raise Refused(f"a submission may take {MOST_BYTES:,} bytes, these {len(again.points)} points take more")
    path = make_folder(folder / "submissions") / again.file
    if write_new(path, content):
        return path
    try:
        theirs = _holder(path)
    except Unreadable as problem:
        raise _unsure(again.name, path, problem) from None
    if theirs and not hmac.compare_digest(theirs, again.owner):
        raise Refused(
            f"the name {again.name!r} is taken by somebody else: choose another one, such as '{again.name} 2'"
        )
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


def _written(submission: Submission) -> bytes:
    return json.dumps(_plain(submission), indent=1, allow_nan=False).encode()


def _holder(path: Path) -> str:
    """Return whose a file is, whatever else is wrong with it; "" for a broken one. Raises `Unreadable`."""
    try:
        content = _content(path)
        if not content:
            raise Unreadable("it is still empty")
        plain = _json(content)
        _format(plain)
    except Unreadable:
        raise
    except Refused:
        return ""
    told = plain.get("owner")
    return told if isinstance(told, str) and _OWNER.fullmatch(told) else ""


def _checked(path: Path) -> Submission:
    found = _submission(_json(_content(path)))
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


def _json(content: bytes) -> Any:
    def refuse(word: str) -> None:
        raise ValueError(word)

    try:
        plain = json.loads(content.decode(), parse_constant=refuse)
        json.dumps(plain, ensure_ascii=False).encode()  # half a surrogate pair could be neither shown nor stored
    except (ValueError, RecursionError):
        raise Refused("it is not JSON") from None
    return plain


def _plain(submission: Submission) -> dict[str, Any]:
    points = [
        {
            "key": point.key,
            "recipe": point.recipe.to_dict(),
            "seed": point.seed,
            "size_bytes": point.size_bytes,
            "accuracy": {"value": point.accuracy.value, "n": point.accuracy.n},
        }
        for point in submission.points
    ]
    about = {f.name: getattr(submission, f.name) for f in dataclasses.fields(submission)}
    return {"format": FORMAT} | about | {"points": points}


def _format(plain: Any) -> None:
    """Look at the version first: a newer one may hold anything. Raises `Unreadable` for that, `Refused` for others."""
    version = plain.get("format") if isinstance(plain, dict) else None
    if isinstance(version, int) and not isinstance(version, bool) and version > FORMAT:
        raise Unreadable(f"it has format {brief(version)}, this workbench reads up to {FORMAT}: please update it")
    if version != FORMAT:
        raise Refused(f'a submission is an object with "format": {FORMAT}, got {brief(version)}')


def _submission(plain: Any) -> Submission:
    _format(plain)
    content = _object(plain, {"format", "name", "owner", "model", "data", "points"}, "a submission")
    name = content["name"]
    if not isinstance(name, str) or clean_name(name) != name:
        raise Refused(f"it has no name that can be shown, got {brief(name)}")
    if not isinstance(content["owner"], str) or not _OWNER.fullmatch(content["owner"]):
        raise Refused("it does not say whose it is, in 64 hexadecimal digits")
    points = content["points"]
    if not isinstance(points, list) or not 0 < len(points) <= MOST_POINTS:
        told = f"{len(points):,}" if isinstance(points, list) else brief(points)
        raise Refused(f"a submission has 1 to {MOST_POINTS} points, got {told}")
    return Submission(
        name=name,
        owner=content["owner"],
        model=_reference("model", content["model"]),
        data=_reference("data", content["data"]),
        points=tuple(map(_point, points)),
    )


def _point(plain: Any) -> Point:
    content = _object(plain, {"key", "recipe", "seed", "size_bytes", "accuracy"}, "a point")
    if not isinstance(content["key"], str) or not _KEY.fullmatch(content["key"]):
        raise Refused(f"the key of a point has 32 hexadecimal digits, got {brief(content['key'])}")
    recipe = content["recipe"]
    steps = recipe.get("steps") if isinstance(recipe, dict) else None
    if isinstance(steps, list) and len(steps) > _MOST_STEPS:
        raise Refused(f"a recipe may have {_MOST_STEPS} steps here, got {len(steps):,}")
    return Point(
        key=content["key"],
        recipe=Recipe.from_dict(recipe),
        seed=_whole("the seed", content["seed"], 0, 2**63 - 1),
        size_bytes=_whole("the size in bytes", content["size_bytes"], 1, _LARGEST),
        accuracy=_accuracy(content["accuracy"]),
    )


def _accuracy(plain: Any) -> Estimate:
    """Return an accuracy with the interval that follows from how many images it stands on."""
    content = _object(plain, {"value", "n"}, "an accuracy")
    share, images = content["value"], _whole("the number of test images", content["n"], 1, _MOST_IMAGES)
    if not isinstance(share, int | float) or isinstance(share, bool) or not 0 <= share <= 1:
        raise Refused(f"an accuracy is a fraction in [0, 1], got {brief(share)}")
    hits = round(share * images)
    if abs(share * images - hits) > _WHOLE:
        raise Refused(f"an accuracy is a whole number of {images:,} images, got {share * images:,.3f}")
    low, high = wilson(hits, images)
    return Estimate(value=hits / images, low=low, high=high, n=images, how="measured", unit="fraction")


def _object(plain: Any, names: set[str], what: str) -> Mapping[str, Any]:
    if not isinstance(plain, dict) or set(plain) != names:
        raise Refused(f"{what} is an object with {', '.join(sorted(names))}, got {brief(plain)}")
    return plain


def _whole(what: str, number: Any, lowest: int, highest: int) -> int:
    if not isinstance(number, int) or isinstance(number, bool) or not lowest <= number <= highest:
        raise Refused(f"{what} must be a whole number from {lowest} to {highest}, got {brief(number)}")
    return number


def _reference(kind: str, name: Any) -> str:
    if not isinstance(name, str) or not 0 < len(name) <= _NAME or not name.isprintable():
        raise Refused(f"the {kind} is named in up to {_NAME} characters, got {brief(name)}")
    if name.startswith(_OWN):
        raise Refused(f"a class compares what everybody has by its name, and {brief(name)} is a file of one machine")
    return name


def _folded(name: str) -> str:
    return unicodedata.normalize("NFKC", name).casefold()


def _secret_file() -> Path:
    return cache_home() / "class-secret"


def _signed(secret: bytes, name: str, who: str) -> str:
    return hmac.new(secret, f"{_folded(name)}\0{who}".encode(), hashlib.sha256).hexdigest()


def _secret(path: Path) -> bytes:
    try:
        found = path.read_bytes()
    except OSError as error:
        raise Refused(
            f"{path}, which tells that your name is yours, cannot be read: {error.strerror or error}"
        ) from None
    if len(found) < 32:
        raise Refused(f"{path}, which tells that your name is yours, is damaged: remove it and choose a new name")
    return found
