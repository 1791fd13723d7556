"""The store: every finished row in one SQLite file, with the packed file that its size was counted on.

Once `add` has returned, the row is on the disk: it survives a kill and, as far as the disk keeps its promises, a power
cut (write-ahead log, synchronous FULL). Several threads of one process may share a `Store`; several processes may each
have one on the same file.

Rows are kept as the JSON of `Result.to_dict`, so a column is never added for a new measure.
"""

from __future__ import annotations

import json
import logging
import sqlite3
import threading
import time
import weakref
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar

from workbench.errors import Refused
from workbench.resources import cache_home
from workbench.result import Result

T = TypeVar("T")

SCHEMA = 1
"""Version of the tables; raised when an older workbench could misread a newer file."""

_APPLICATION = 0x44575331  # "DWS1": says in the file's header whose it is
_PATIENCE_S = 30.0
_log = logging.getLogger(__name__)

_TABLES = """
CREATE TABLE results (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    key TEXT NOT NULL UNIQUE,
    model TEXT NOT NULL,
    data TEXT NOT NULL,
    content TEXT NOT NULL,
    packed BLOB NOT NULL
);
CREATE INDEX results_of ON results (model, data, number);
"""


class Store:
    """Finished rows by the key of their job.

    Every call raises `Refused` where the file cannot be used, and leaves the file as it was.

    Close it, or use it as a context manager; one that is forgotten closes itself when it is collected.
    """

    def __init__(self, path: Path | None = None) -> None:
        self.path = default_path() if path is None else Path(path)
        self._lock = threading.Lock()
        self._connection = _open(self.path)
        self._close = weakref.finalize(self, self._connection.close)

    def add(self, result: Result, packed: bytes = b"") -> None:
        """Keep a final row and its packed file, in place of an older row with the same key."""
        if not result.final:
            raise Refused("the store keeps final rows, got one that is still tightening")
        row = (result.key, result.job.model.name, result.job.data.name, json.dumps(result.to_dict()), packed)
        self._run("INSERT OR REPLACE INTO results (key, model, data, content, packed) VALUES (?, ?, ?, ?, ?)", *row)

    def has(self, key: str) -> bool:
        """Return whether there is a row under the key."""
        return bool(self._run("SELECT 1 FROM results WHERE key = ?", key))

    def get(self, key: str) -> Result | None:
        """Return the row under the key; None where there is none that this workbench can read."""
        found = self._run("SELECT key, content FROM results WHERE key = ?", key)
        return _read(*found[0]) if found else None

    def packed(self, key: str) -> bytes | None:
        """Return the packed file that was kept with a row; None where there is no such row."""
        found = self._run("SELECT packed FROM results WHERE key = ?", key)
        return bytes(found[0][0]) if found else None

    def query(self, model: str | None = None, data: str | None = None) -> list[Result]:
        """Return the rows of a model and a data set (None: of all) in the order in which they were added.

        A row that this workbench cannot read, because a technique of it is not installed here, stays in the file and is
        left out with a word in the log.
        """
        wanted = {"model": model, "data": data}
        chosen = {column: value for column, value in wanted.items() if value is not None}
        where = " AND ".join(f"{column} = ?" for column in chosen) or "TRUE"
        rows = self._run(f"SELECT key, content FROM results WHERE {where} ORDER BY number", *chosen.values())  # noqa: S608
        return [result for row in rows if (result := _read(*row)) is not None]

    def remove(self, key: str) -> None:
        """Forget the row under the key, if there is one."""
        self._run("DELETE FROM results WHERE key = ?", key)

    def close(self) -> None:
        """Close the file; closing twice is allowed."""
        with self._lock:
            self._close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def _run(self, statement: str, *values: Any) -> list[tuple[Any, ...]]:
        # each statement is its own transaction: when it returns, it is on the disk
        with self._lock:
            return _patiently(self.path, lambda: self._connection.execute(statement, values).fetchall())


def default_path() -> Path:
    """Return where results are kept unless a person names another file."""
    return cache_home() / "results.sqlite3"


def _read(key: str, content: str) -> Result | None:
    try:
        return Result.from_dict(json.loads(content))
    except (ValueError, KeyError, TypeError) as error:
        _log.warning("the saved result %s cannot be read here and is left out: %s", key, error)
        return None


def _open(path: Path) -> sqlite3.Connection:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise Refused(f"the folder {path.parent} for results cannot be made: {error.strerror}") from None
    # isolation_level=None: sqlite3 would otherwise open transactions of its own behind each write
    connection = _patiently(
        path, lambda: sqlite3.connect(path, timeout=_PATIENCE_S, isolation_level=None, check_same_thread=False)
    )
    try:
        _patiently(path, lambda: _prepare_(connection, path))
    except BaseException:
        connection.close()
        raise
    return connection


def _prepare_(connection: sqlite3.Connection, path: Path) -> None:
    if _is_new(connection, path):  # before anything is written: the file may belong to somebody else
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("BEGIN IMMEDIATE")
        try:
            if _is_new(connection, path):  # another process may have made the tables meanwhile
                for statement in _TABLES.split(";"):
                    connection.execute(statement)
                connection.execute(f"PRAGMA application_id = {_APPLICATION}")
                connection.execute(f"PRAGMA user_version = {SCHEMA}")
            connection.execute("COMMIT")
        finally:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = FULL")


def _is_new(connection: sqlite3.Connection, path: Path) -> bool:
    (application,) = connection.execute("PRAGMA application_id").fetchone()
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    (tables,) = connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()
    if application != _APPLICATION and (application or version or tables):
        raise Refused(f"{path} is a database of another program: name another file for the results")
    if version > SCHEMA:
        raise Refused(f"{path} has version {version}, this workbench reads up to {SCHEMA}: please update it")
    return not tables


def _patiently(path: Path, action: Callable[[], T]) -> T:
    """Return what the action returns; try again while another process holds the file, and name what went wrong."""
    deadline = time.monotonic() + _PATIENCE_S
    while True:
        try:
            return action()
        except sqlite3.Error as error:
            code = getattr(error, "sqlite_errorcode", None)
            if code is None:  # a wrong call of ours, such as one after close()
                raise
            # SQLite does not wait its timeout where waiting could be a deadlock, such as in switching to the log
            if code & 0xFF not in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED) or time.monotonic() > deadline:
                raise Refused(_sentence(path, code & 0xFF, error)) from error
            time.sleep(0.01)


def _sentence(path: Path, code: int, error: sqlite3.Error) -> str:
    match code:
        case sqlite3.SQLITE_FULL:
            return f"there is no room for the result in {path}: free some space; what was saved before is kept"
        case sqlite3.SQLITE_TOOBIG:
            return f"the result is too large for {path}, which takes packed files of up to 1 GB"
        case sqlite3.SQLITE_NOTADB | sqlite3.SQLITE_CORRUPT:
            return f"{path} is not a readable store of results: move it away or name another file"
        case sqlite3.SQLITE_READONLY | sqlite3.SQLITE_CANTOPEN | sqlite3.SQLITE_PERM | sqlite3.SQLITE_AUTH:
            return f"{path} cannot be written: make the file and its folder writable, or set WORKBENCH_HOME to another"
        case sqlite3.SQLITE_BUSY | sqlite3.SQLITE_LOCKED:
            return f"{path} has been locked by another process for {_PATIENCE_S:.0f} s: close that and try again"
        case _:
            return f"{path} cannot be used: {error}"
