"""The history: what is looked for among every result ever measured, without reading their documents.

A row that this workbench cannot read, because a technique of it is not installed here, is found with what is known.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from workbench.errors import Refused
from workbench.store import Store, plain_text

ORDERS = ("measured_at", "accuracy", "size_bytes", "macs", "recipe", "model", "data", "note", "star")
AXES = ("size_bytes", "macs")

_LONGEST = 200
_CELLS = 40
_BATCH = 500
_HAYSTACK = r"(model || char(10) || data || char(10) || coalesce(recipe, '') || char(10) || note || char(10) || key)"


@dataclass(frozen=True, kw_only=True)
class Query:
    """What is looked for, and in which order; rows without a value come last, and of equal ones the newest first.

    Each word of `text` is somewhere in the name of the model or the data, the recipe, the note or the key; capital
    letters count as small ones.
    """

    text: str = ""
    model: str | None = None
    data: str | None = None
    starred: bool = False
    order: str = "measured_at"
    descending: bool = True
    limit: int | None = None
    offset: int = 0

    def __post_init__(self) -> None:
        if self.order not in ORDERS:
            raise Refused(f"a history is sorted by one of {', '.join(ORDERS)}, got {self.order}")
        if self.offset < 0 or (self.limit is not None and self.limit < 0):
            raise Refused(f"limit and offset must be at least 0, got {self.limit} and {self.offset}")


@dataclass(frozen=True, kw_only=True)
class Entry:
    """A row as the history shows it."""

    key: str
    model: str
    data: str
    recipe: str | None
    """In words; None where this workbench could not read it when it came into the file."""
    accuracy: float | None
    low: float | None
    high: float | None
    """Ends of the 95 % interval of the accuracy."""
    images: int | None
    size_bytes: float | None
    macs: float | None
    measured_at: float | None
    """Seconds since 1970 in UTC; None where it was measured before the store wrote that down."""
    star: bool
    note: str
    kept: bool
    """Whether somebody wanted the row, rather than measured it in passing."""


@dataclass(frozen=True, kw_only=True)
class Page:
    """Some of the rows that were found, and how many there are."""

    entries: tuple[Entry, ...]
    total: int


@dataclass(frozen=True, kw_only=True, eq=False)
class Points:
    """Cost on x and accuracy on y of what was found, thinned where there is more than an eye can tell apart.

    The front is never thinned: the rows that no other one beats in both.
    """

    x: NDArray[np.float64]
    y: NDArray[np.float64]
    front: NDArray[np.bool_]
    keys: tuple[str, ...]
    recipes: tuple[str, ...]
    total: int
    """How many rows there are to draw."""


_COLUMNS = ", ".join(field.name for field in fields(Entry))
_FLAGS = ("star", "kept")


def page(store: Store, query: Query) -> Page:
    """Return the rows from `offset` on, at most `limit`, and the number of all. Raises `Refused`."""
    where, values = _where(query)
    # a number given to a row is never given again: of equal rows, the newest has the highest
    order = f"{query.order} {'DESC' if query.descending else 'ASC'} NULLS LAST, number DESC"
    limit = -1 if query.limit is None else query.limit
    # only numbers are sorted: whole rows would be carried along
    chosen = f"SELECT number FROM results WHERE {where} ORDER BY {order} LIMIT ? OFFSET ?"  # noqa: S608
    statement = f"SELECT {_COLUMNS} FROM results WHERE number IN ({chosen}) ORDER BY {order}"  # noqa: S608
    found = store.select(statement, *values, limit, query.offset)
    (total,) = store.select(f"SELECT count(*) FROM results WHERE {where}", *values)[0]  # noqa: S608
    return Page(entries=tuple(map(_entry, found)), total=int(total))


def entry(store: Store, key: str) -> Entry | None:
    """Return the row under a key as the history shows it. Raises `Refused`."""
    found = store.select(f"SELECT {_COLUMNS} FROM results WHERE key = ?", key)  # noqa: S608
    return _entry(found[0]) if found else None


def key_of(store: Store, start: str) -> str:
    """Return the key that begins so; raises `Refused` where none does, or several do."""
    found = store.select("SELECT key FROM results WHERE substr(key, 1, ?) = ? LIMIT 2", len(start), start)
    if not start or len(found) != 1:
        several = "several results" if found else "no result"
        raise Refused(f"expected the beginning of one key, {several} begin with {start!r}: see `workbench history`")
    return str(found[0][0])


def names(store: Store) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the names of the models and of the data sets that there are rows about. Raises `Refused`."""
    models, data = (
        tuple(str(name) for (name,) in store.select(f"SELECT DISTINCT {column} FROM results ORDER BY {column}"))  # noqa: S608
        for column in ("model", "data")
    )
    return models, data


def documents(store: Store, query: Query) -> Iterator[dict[str, Any]]:
    """Yield everything about each row that is found, as plain JSON, but for the details by layer.

    It is the JSON form of `Result`, with `measured_at`, `star` and `note` besides. Raises `Refused`.
    """
    keys = [each.key for each in page(store, query).entries]
    found = "SELECT content, measured_at, star, note FROM results JOIN contents USING (number) WHERE key = ?"
    for key in keys:
        for content, measured_at, star, note in store.select(found, key):
            row = {**json.loads(content), "measured_at": measured_at, "star": bool(star), "note": note}
            yield row | {"details": {}}


def points(store: Store, query: Query, axis: str = "size_bytes") -> Points:
    """Return all that is found, whatever limit and order are, as points of a plot: some 2,000 and the front.

    Raises `Refused`.
    """
    if axis not in AXES:
        raise Refused(f"the history is drawn over one of {', '.join(AXES)}, got {axis}")
    where, values = _where(query)
    known = f"{axis} IS NOT NULL AND accuracy IS NOT NULL AND {where}"
    found = store.select(f"SELECT {axis}, accuracy, number FROM results WHERE {known}", *values)  # noqa: S608
    table = np.array(found, dtype=np.float64).reshape(-1, 3)
    table = table[np.argsort(table[:, 2])]  # sorting in SQL would read the table where an index is enough
    on_front = front(table[:, 0], table[:, 1])
    chosen = np.flatnonzero(on_front | _thinned(table[:, 0], table[:, 1]))
    told: dict[int, tuple[str, str]] = {}
    numbers = [int(number) for number in table[chosen, 2]]
    for start in range(0, len(numbers), _BATCH):
        batch = numbers[start : start + _BATCH]
        marks = ", ".join("?" * len(batch))
        lines = store.select(f"SELECT number, key, recipe FROM results WHERE number IN ({marks})", *batch)  # noqa: S608
        told |= {number: (key, recipe or "") for number, key, recipe in lines}
    there = [place for place, number in enumerate(numbers) if number in told]  # another process may have removed some
    chosen, numbers = chosen[there], [numbers[place] for place in there]
    return Points(
        x=table[chosen, 0],
        y=table[chosen, 1],
        front=on_front[chosen],
        keys=tuple(told[number][0] for number in numbers),
        recipes=tuple(told[number][1] for number in numbers),
        total=len(table),
    )


def front(x: NDArray[np.float64], y: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Return which points none beats [N]: no other costs at most as much and is more accurate, or less and as much.

    Of equal points the first counts.
    """
    order = np.lexsort((-y, x))
    best = np.maximum.accumulate(y[order])
    found = np.zeros(len(x), dtype=bool)
    found[order[np.r_[True, best[1:] > best[:-1]][: len(x)]]] = True
    return found


def _thinned(x: NDArray[np.float64], y: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Return which points [N] to draw: all where they are few, otherwise the newest in each cell of a grid."""
    if len(x) <= _CELLS**2:
        return np.ones(len(x), dtype=bool)
    row, column = (_CELLS * (v - v.min()) / (np.ptp(v) or 1.0) * (1 - 1e-9) for v in (y, x))
    cells = row.astype(np.int64) * _CELLS + column.astype(np.int64)
    chosen = np.zeros(len(x), dtype=bool)
    chosen[len(x) - 1 - np.unique(cells[::-1], return_index=True)[1]] = True
    return chosen


def _entry(line: tuple[Any, ...]) -> Entry:
    values = {field.name: value for field, value in zip(fields(Entry), line, strict=True)}
    return Entry(**values | {name: bool(values[name]) for name in _FLAGS})


def _where(query: Query) -> tuple[str, list[Any]]:
    parts, values = ["TRUE"], []
    for column in ("model", "data"):
        if (name := getattr(query, column)) is not None:
            parts.append(f"{column} = ?")
            values.append(plain_text(name))
    if query.starred:
        parts.append("star")
    for word in plain_text(query.text)[:_LONGEST].split():
        parts.append(rf"{_HAYSTACK} LIKE ? ESCAPE '\'")
        values.append(f"%{word.translate(_ESCAPED)}%")
    return " AND ".join(parts), values


_ESCAPED = str.maketrans({mark: f"\\{mark}" for mark in "\\%_"})
