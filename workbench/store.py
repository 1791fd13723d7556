"""The store: every finished row in one SQLite file, with the packed file that its size was counted on.

Once `add` has returned, the row is on the disk: it survives a kill and, as far as the disk keeps its promises, a power
cut (write-ahead log, synchronous FULL). Several threads of one process may share a `Store`; several processes may each
have one on the same file.

Rows are kept as the JSON of `Result.to_dict`, so a column is never added for a new measure. Those that somebody wanted
are kept with their packed file; those that were only measured in passing are remembered without: it can be made again.
`workbench.history` looks for rows among many.
"""

from __future__ import annotations

import json
import logging
import threading
import time
import weakref
from collections.abc import Callable, Iterable
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from workbench.errors import Refused
from workbench.resources import cache_home
from workbench.result import Result
from workbench.tables import SCHEMA, columns, connect, in_one, insert_, patiently

__all__ = ["SCHEMA", "Store", "default_path"]

LONGEST_NOTE = 2000
_log = logging.getLogger(__name__)


class Store:
    """Finished rows by the key of their job.

    Every call raises `Refused` where the file cannot be used, and leaves the file as it was.

    Close it, or use it as a context manager; one that is forgotten closes itself when it is collected.
    """

    def __init__(self, path: Path | None = None) -> None:
        self.path = default_path() if path is None else Path(path)
        self._lock = threading.Lock()
        self._connection = connect(self.path)
        self._close = weakref.finalize(self, self._connection.close)

    def add(self, result: Result, packed: bytes = b"") -> None:
        """Keep a final row and its packed file, in place of an older row with the same key.

        What a person gave the older row stays: its star, its note and, where none comes now, its packed file.
        """
        told, content = _told(result)

        def replace() -> None:
            found = "SELECT star, note, measured_at, packed FROM results JOIN contents USING (number) WHERE key = ?"
            given = self._connection.execute(found, (result.key,)).fetchone()
            star, note, measured_at, before = given or (0, "", None, b"")
            self._connection.execute("DELETE FROM results WHERE key = ?", (result.key,))
            about = {"kept": 1, "star": star, "note": note, "measured_at": measured_at or time.time()}
            self._insert_(told | about, content, packed or before)

        self._write(replace)

    def remember(self, results: Iterable[Result]) -> None:
        """Take final rows that were measured in passing, all with one write; one that is known stays as it is."""
        rows = [_told(result) for result in results]  # before the write, which others wait for
        now = time.time()

        def insert() -> None:
            for told, content in rows:
                self._insert_(told | {"kept": 0, "measured_at": now}, content, b"")

        self._write(insert)

    def keep(self, key: str) -> None:
        """Mark a row that is known as one that somebody wanted."""
        if self.select("SELECT 1 FROM results WHERE key = ? AND NOT kept", key):  # reading waits for nobody
            self.select("UPDATE results SET kept = 1 WHERE key = ?", key)

    def has(self, key: str) -> bool:
        """Return whether there is a row under the key."""
        return bool(self.select("SELECT 1 FROM results WHERE key = ?", key))

    def get(self, key: str) -> Result | None:
        """Return the row under the key; None where there is none that this workbench can read."""
        found = self.select("SELECT key, content FROM results JOIN contents USING (number) WHERE key = ?", key)
        return _read(*found[0]) if found else None

    def packed(self, key: str) -> bytes | None:
        """Return the packed file that was kept with a row, empty where none was; None where there is no such row."""
        found = self.select("SELECT packed FROM results JOIN contents USING (number) WHERE key = ?", key)
        return bytes(found[0][0]) if found else None

    def query(self, model: str | None = None, data: str | None = None, *, kept: bool = False) -> list[Result]:
        """Return the rows of a model and a data set (None: of all) in the order in which they were added.

        With `kept`, only those that somebody wanted: not those that were measured in passing and have no star.

        A row that this workbench cannot read, because a technique of it is not installed here, stays in the file and is
        left out with a word in the log.
        """
        wanted = {"model": model, "data": data}
        chosen = {column: value for column, value in wanted.items() if value is not None}
        where = " AND ".join([*(f"{column} = ?" for column in chosen), "(kept OR star)" if kept else "TRUE"])
        found = f"SELECT key, content FROM results JOIN contents USING (number) WHERE {where} ORDER BY number"  # noqa: S608
        return [result for row in self.select(found, *chosen.values()) if (result := _read(*row)) is not None]

    def remove(self, key: str) -> None:
        """Forget the row under the key, if there is one."""
        self._write(lambda: self._connection.execute("DELETE FROM results WHERE key = ?", (key,)))

    def set_star(self, key: str, star: bool) -> None:
        """Mark the row under the key, if there is one, or take the mark away."""
        self.select("UPDATE results SET star = ? WHERE key = ?", int(star), key)

    def set_note(self, key: str, text: str) -> None:
        """Write a person's words beside the row under the key, if there is one, in place of those before."""
        if len(text) > LONGEST_NOTE:
            raise Refused(f"a note has up to {LONGEST_NOTE:,} characters, got {len(text):,}")
        self.select("UPDATE results SET note = ? WHERE key = ?", plain_text(text), key)

    def select(self, statement: str, *values: Any) -> list[tuple[Any, ...]]:
        """Return the lines of one statement of SQL, for modules that know the tables."""
        # each statement is its own transaction: when it returns, it is on the disk
        with self._lock:
            return patiently(self.path, lambda: self._connection.execute(statement, values).fetchall())

    def close(self) -> None:
        """Close the file; closing twice is allowed."""
        with self._lock:
            self._close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def _write(self, action: Callable[[], Any]) -> None:
        with self._lock:
            patiently(self.path, lambda: in_one(self._connection, action))

    def _insert_(self, told: dict[str, Any], content: str, packed: bytes) -> None:
        if number := insert_(self._connection, **told):
            statement = "INSERT INTO contents (number, content, packed) VALUES (?, ?, ?)"
            self._connection.execute(statement, (number, content, packed))


def default_path() -> Path:
    """Return where results are kept unless a person names another file."""
    return cache_home() / "results.sqlite3"


def plain_text(text: str) -> str:
    """Return text that SQLite takes and compares to its end: without halves of characters and without NUL."""
    return text.encode("utf-8", "replace").decode("utf-8").replace("\0", "")


def _told(result: Result) -> tuple[dict[str, Any], str]:
    """Return what of a row has columns, and its document; raises `Refused` for a row that is not final."""
    if not result.final:
        raise Refused("the store keeps final rows, got one that is still tightening")
    about = {"key": result.key, "model": result.job.model.name, "data": result.job.data.name}
    return about | columns(result), json.dumps(result.to_dict())


def _read(key: str, content: str) -> Result | None:
    try:
        return Result.from_dict(json.loads(content))
    except (ValueError, KeyError, TypeError) as error:
        _log.warning("the saved result %s cannot be read here and is left out: %s", key, error)
        return None
