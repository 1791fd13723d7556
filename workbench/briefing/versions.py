"""Networks as the store knows them: an original, and smaller versions that were measured against it.

The techniques of a recipe are code, which needs torch; here a recipe is only the words that the store has for it.
"""

from __future__ import annotations

import json
import logging
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from workbench.history import Query, points
from workbench.recipe import Recipe
from workbench.result import Estimate, Status
from workbench.store import Store

_log = logging.getLogger(__name__)
_EQUAL = 1e-9
_ROUNDING = 1e-12
_NEWEST = 200
"""How many rows that somebody wanted are read, besides those that no other one beats."""
_NEEDED = ("accuracy", "change", "size_bytes")


@dataclass(frozen=True, kw_only=True)
class Version:
    """A network that was measured."""

    key: str
    recipe: str
    """In words."""
    estimates: Mapping[str, Estimate]
    details: Mapping[str, Any]
    environment: Mapping[str, str]
    measured_at: float | None
    """Seconds since 1970 in UTC, where the store knows."""

    @property
    def size_bytes(self) -> Estimate:
        """The length of the packed file."""
        return self.estimates["size_bytes"]

    @property
    def accuracy(self) -> Estimate:
        """The share of test images that are right."""
        return self.estimates["accuracy"]

    @property
    def change(self) -> Estimate:
        """The accuracy less that of the original, on the same images."""
        return self.estimates["change"]

    @property
    def worst_loss(self) -> float:
        """The loss of accuracy at the worse end of its interval."""
        return -self.change.low


@dataclass(frozen=True, kw_only=True)
class Family:
    """An original and its versions that have a smaller file, the smallest first."""

    model: str
    data: str
    checkpoint: str
    original: Version
    versions: tuple[Version, ...]

    @property
    def title(self) -> str:
        """The network in words."""
        weights = f", weights of {Path(self.checkpoint).name}" if self.checkpoint else ""
        return f"{self.model} on {self.data}{weights}"

    def sure(self, accepted: float) -> tuple[Version, ...]:
        """Return the versions that surely lose at most a share of the images, the smallest first.

        What counts is the worse end of the interval of the change: the mean of a few images could be luck, the more so
        for the best of many versions.
        """
        return tuple(version for version in self.versions if version.worst_loss <= accepted + _ROUNDING)

    def smallest(self, accepted: float) -> Version | None:
        """Return the smallest of those that surely lose at most a share of the images; None where there is none."""
        return next(iter(self.sure(accepted)), None)

    def surest(self) -> Version | None:
        """Return the version with the smallest loss at the worse end of its interval."""
        return min(self.versions, key=lambda version: version.worst_loss, default=None)

    def ladder(self, chosen: Version | None, most: int) -> tuple[Version, ...]:
        """Return at most so many versions that no other beats in both size and accuracy, and the chosen one.

        The largest comes first; where there are more, they are taken evenly between the ends.
        """
        front: list[Version] = []
        for version in self.versions:
            if not front or version.change.value > front[-1].change.value:
                front.append(version)
        count = max(1, most - 1)
        if len(front) > count:
            step = (len(front) - 1) / max(1, count - 1)
            front = [front[round(step * number)] for number in range(count)]
        shown = {version.key: version for version in (*front, *([chosen] if chosen else []))}
        return tuple(sorted(shown.values(), key=lambda version: -version.size_bytes.value))


def families(store: Store) -> tuple[Family, ...]:
    """Return each original that has a smaller version in the store, by name. Raises `Refused`."""
    found = []
    for model, data in store.select("SELECT DISTINCT model, data FROM results ORDER BY model, data"):
        found += list(_families(store, str(model), str(data)))
    return tuple(found)


def _families(store: Store, model: str, data: str) -> Iterator[Family]:
    groups: dict[str, list[tuple[dict[str, Any], Version]]] = {}
    for row in _rows(store, model, data):
        if (read := _read(*row)) is not None:
            job = read[0]
            groups.setdefault(json.dumps([job["model"], job["data"], job["test_data"]]), []).append(read)
    for group in groups.values():
        originals = [version for job, version in group if not job["recipe"]["steps"]]
        taken: set[str] = set()
        for original in originals:
            smaller = [
                version
                for job, version in group
                if job["recipe"]["steps"] and version.key not in taken and _of(version, original)
            ]
            taken |= {version.key for version in smaller}
            if smaller:
                smaller.sort(key=lambda version: (version.size_bytes.value, -version.change.value))
                checkpoint = str(group[0][0]["model"].get("checkpoint", ""))
                yield Family(model=model, data=data, checkpoint=checkpoint, original=original, versions=tuple(smaller))


def _of(version: Version, original: Version) -> bool:
    """Whether a version is smaller and was measured against this original: files may have been written anew since."""
    before = version.accuracy.value - version.change.value
    same = version.accuracy.n == original.accuracy.n and abs(before - original.accuracy.value) < _EQUAL
    return same and version.size_bytes.value < original.size_bytes.value


def _rows(store: Store, model: str, data: str) -> list[tuple[Any, ...]]:
    """Return what is worth reading, the newest first: originals, what somebody wanted, and what nothing beats."""
    front = points(store, Query(model=model, data=data))
    best = [key for key, is_best in zip(front.keys, front.front, strict=True) if is_best]
    columns = "key, recipe, measured_at, content FROM results JOIN contents USING (number)"
    of = "WHERE model = ? AND data = ?"
    wanted = (
        f"SELECT {columns} {of} AND recipe = ? ORDER BY number DESC LIMIT {_NEWEST}",
        f"SELECT {columns} {of} AND (kept OR star) ORDER BY number DESC LIMIT {_NEWEST}",
    )
    found = [*store.select(wanted[0], model, data, str(Recipe())), *store.select(wanted[1], model, data)]
    known = {row[0] for row in found}
    for key in best:
        if key not in known:
            found += store.select(f"SELECT {columns} WHERE key = ?", key)
    return list({row[0]: row for row in found}.values())


def _read(
    key: str, recipe: str | None, measured_at: float | None, content: str
) -> tuple[dict[str, Any], Version] | None:
    """Return the job of a row as plain JSON, and its numbers; None where this workbench cannot read it."""
    try:
        row = json.loads(content)
        estimates = {str(name): Estimate(**estimate) for name, estimate in row["estimates"].items()}
        job = row["job"]
        usable = row["status"] == Status.OK and all(_sound(estimates.get(name)) for name in _NEEDED)
        steps = len(job["recipe"]["steps"])
        version = Version(
            key=key,
            recipe=recipe or f"a recipe of {steps} steps",
            estimates=estimates,
            details=dict(row["details"]),
            environment=dict(row["environment"]),
            measured_at=measured_at,
        )
        _ = job["model"]["checkpoint"], job["data"], job["test_data"]
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        _log.warning("the saved result %s cannot be read and is left out: %s", key, error)
        return None
    return (job, version) if usable else None


def _sound(estimate: Estimate | None) -> bool:
    return estimate is not None and all(map(math.isfinite, (estimate.low, estimate.value, estimate.high)))
