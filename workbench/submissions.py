"""What a class submits to its leaderboard: the points of one name, and the JSON that travels between them.

Whoever may write in the folder of a class may write anything, and what is in a file is only said by whoever wrote it.
So a submission is small, is JSON, is checked to the last number, and nothing in it is run. Only sizes, accuracies with
their numbers of images, recipes with their seeds and the keys of jobs travel; whoever reads works out intervals.
`workbench.recheck` runs recipes again.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from reprlib import repr as brief
from typing import Any

from workbench.errors import Refused
from workbench.measure._intervals import wilson
from workbench.recipe import Recipe
from workbench.result import DataRef, Estimate, Job, ModelRef

FORMAT = 1
LONGEST_NAME = 40
MOST_POINTS = 200
MOST_BYTES = 512 * 1024
_MOST_STEPS = 100
_LARGEST = 2**50
_MOST_IMAGES = 10**7
_WHOLE = 1e-6
"""How far from a whole number of images an accuracy may be: it is a fraction with rounding."""
_NAME = 200
_KEY = re.compile(r"[0-9a-f]{32}")
_OWNER = re.compile(r"[0-9a-f]{64}")
_OWN = ("user:", "folder:")
_NO_OWNER = "it does not say whose it is, in 64 hexadecimal digits"


class Unreadable(Refused):
    """What is there may be somebody's, and cannot be read here, or not yet: it is not ours to replace."""


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
        words = re.sub(r"[^a-z0-9]+", "-", folded(self.name)).strip("-")[:24]
        told = "\0".join((folded(self.name), self.model, self.data))
        return f"{words or 'name'}-{hashlib.sha256(told.encode()).hexdigest()[:16]}.json"


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


def folded(name: str) -> str:
    """Return what two names have in common that are taken for the same."""
    return unicodedata.normalize("NFKC", name).casefold()


def size_bytes(submission: Submission) -> int:
    """Return how many bytes the file of a submission has."""
    return len(_encoded(submission))


def to_bytes(submission: Submission) -> bytes:
    """Return a submission as it is kept in its file. Raises `Refused` for one that could not be read again."""
    content = _encoded(submission)
    from_bytes(content)  # what would be left out there is not written
    if len(content) > MOST_BYTES:
        raise Refused(f"a submission may take {MOST_BYTES:,} bytes, these {len(submission.points)} points take more")
    return content


def from_bytes(content: bytes) -> Submission:
    """Return what bytes say. Raises `Refused`, or `Unreadable` where a newer workbench may have written them."""
    return _submission(_json(content))


def holder(content: bytes) -> str:
    """Return whose bytes are, whatever else is wrong with them. Raises `Refused` for broken ones, or `Unreadable`."""
    if not content:
        raise Unreadable("it is still empty")
    plain = _json(content)
    _format(plain)
    told = plain.get("owner")
    if not isinstance(told, str) or not _OWNER.fullmatch(told):
        raise Refused(_NO_OWNER)
    return told


def _json(content: bytes) -> Any:
    def refuse(word: str) -> None:
        raise ValueError(word)

    try:
        plain = json.loads(content.decode(), parse_constant=refuse)
        json.dumps(plain, ensure_ascii=False).encode()  # half a surrogate pair could be neither shown nor stored
    except (ValueError, RecursionError):
        raise Refused("it is not JSON") from None
    return plain


def _encoded(submission: Submission) -> bytes:
    return json.dumps(_plain(submission), indent=1, allow_nan=False).encode()


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
        raise Refused(_NO_OWNER)
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
