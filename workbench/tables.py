"""The file of the store: its tables, how an older file becomes a newer one, and in words why it cannot be used.

What is filtered, sorted and plotted has columns of its own in `results`, so that a history of 100,000 rows parses none
of their documents; those are in `contents`, where they do not lie between the columns.
"""

from __future__ import annotations

import json
import sqlite3
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from workbench.errors import Refused
from workbench.result import Result

T = TypeVar("T")

SCHEMA = 2
"""Version of the tables; raised when an older workbench could misread a newer file."""

_APPLICATION = 0x44575331  # "DWS1": says in the file's header whose it is
_PATIENCE_S = 30.0

_TABLES = """
CREATE TABLE results (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    key TEXT NOT NULL UNIQUE,
    model TEXT NOT NULL,
    data TEXT NOT NULL,
    recipe TEXT,
    accuracy REAL,
    low REAL,
    high REAL,
    images INTEGER,
    size_bytes REAL,
    macs REAL,
    measured_at REAL,
    star INTEGER NOT NULL DEFAULT 0,
    note TEXT NOT NULL DEFAULT '',
    kept INTEGER NOT NULL DEFAULT 0
);
CREATE TABLE contents (number INTEGER PRIMARY KEY, content TEXT NOT NULL, packed BLOB NOT NULL);
CREATE TRIGGER forget AFTER DELETE ON results BEGIN DELETE FROM contents WHERE number = old.number; END;
CREATE INDEX results_of ON results (model, data, number);
CREATE INDEX results_by_data ON results (data);
CREATE INDEX results_by_accuracy ON results (accuracy);
CREATE INDEX results_by_size ON results (size_bytes, accuracy);
CREATE INDEX results_by_macs ON results (macs, accuracy);
CREATE INDEX results_by_time ON results (measured_at);
CREATE INDEX results_kept ON results (number) WHERE kept OR star;
"""


def columns(result: Result) -> dict[str, Any]:
    """Return what of a row has columns; None where it lacks the number. The accuracy comes with its 95 % interval."""
    accuracy = result.estimates.get("accuracy")
    found: dict[str, Any] = {"recipe": str(result.job.recipe)}
    found |= {end: None if accuracy is None else float(getattr(accuracy, end)) for end in ("low", "high")}
    found |= {"accuracy": None if accuracy is None else float(accuracy.value), "images": accuracy and accuracy.n}
    for name in ("size_bytes", "macs"):
        estimate = result.estimates.get(name)
        found[name] = None if estimate is None else float(estimate.value)
    return found


def insert_(connection: sqlite3.Connection, **values: Any) -> int:
    """Put a line into `results` and return its number, or 0 where its key is taken."""
    marks = ", ".join("?" * len(values))
    into = f"INSERT INTO results ({', '.join(values)}) VALUES ({marks})"  # noqa: S608  # names are ours, never a person's
    line = connection.execute(f"{into} ON CONFLICT DO NOTHING RETURNING number", tuple(values.values())).fetchone()
    return int(line[0]) if line else 0


def in_one(connection: sqlite3.Connection, action: Callable[[], T]) -> T:
    """Return what an action returns that writes: all of it or, where it raises, nothing of it is on the disk."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        done = action()
        connection.execute("COMMIT")
        return done
    finally:
        if connection.in_transaction:
            connection.execute("ROLLBACK")


def connect(path: Path) -> sqlite3.Connection:
    """Return a connection to the file, made or brought up to date where it has to be. Raises `Refused`."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise Refused(f"the folder {path.parent} for results cannot be made: {error.strerror}") from None
    # isolation_level=None: sqlite3 would otherwise open transactions of its own behind each write
    connection = patiently(
        path, lambda: sqlite3.connect(path, timeout=_PATIENCE_S, isolation_level=None, check_same_thread=False)
    )
    try:
        patiently(path, lambda: _prepare_(connection, path))
    except BaseException:
        connection.close()
        raise
    return connection


def _prepare_(connection: sqlite3.Connection, path: Path) -> None:
    if _version(connection, path) < SCHEMA:  # before anything is written: the file may belong to somebody else
        connection.execute("PRAGMA journal_mode = WAL")
        in_one(connection, lambda: _bring_up_(connection, path))
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = FULL")


def _bring_up_(connection: sqlite3.Connection, path: Path) -> None:
    match _version(connection, path):  # another process may have done it meanwhile
        case 0:
            _make_(connection)
            connection.execute(f"PRAGMA application_id = {_APPLICATION}")
        case 1:
            _from_version_1_(connection)
        case _:
            return
    connection.execute(f"PRAGMA user_version = {SCHEMA}")


def _make_(connection: sqlite3.Connection) -> None:
    statement = ""
    for line in _TABLES.splitlines():
        statement += line
        if sqlite3.complete_statement(statement):  # `executescript` would commit what is not yet whole
            connection.execute(statement)
            statement = ""


def _from_version_1_(connection: sqlite3.Connection) -> None:
    """Move the rows of the one table that there was; a person saved each of them.

    A row that cannot be read here, because a technique of it is not installed, has no numbers in its columns.
    """
    connection.execute("ALTER TABLE results RENAME TO old")
    connection.execute("DROP INDEX results_of")
    _make_(connection)
    names = ("number", "key", "model", "data")
    for *values, content in connection.execute(f"SELECT {', '.join(names)}, content FROM old ORDER BY number"):  # noqa: S608
        insert_(connection, **dict(zip(names, values, strict=True)), **_told(content), kept=1)
    connection.execute("INSERT INTO contents SELECT number, content, packed FROM old")
    connection.execute("DROP TABLE old")


def _told(content: str) -> dict[str, Any]:
    try:
        return columns(Result.from_dict(json.loads(content)))
    except (ValueError, KeyError, TypeError, AttributeError):
        return {}


def _version(connection: sqlite3.Connection, path: Path) -> int:
    """Return the version of the tables, 0 where there are none yet; raises `Refused` for what is not ours to read."""
    (application,) = connection.execute("PRAGMA application_id").fetchone()
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    (tables,) = connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()
    if application != _APPLICATION and (application or version or tables):
        raise Refused(f"{path} is a database of another program: name another file for the results")
    if version > SCHEMA:
        raise Refused(f"{path} has version {version}, this workbench reads up to {SCHEMA}: please update it")
    return int(version) if tables else 0


def patiently(path: Path, action: Callable[[], T]) -> T:
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
