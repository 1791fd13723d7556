"""Rows of the history as a file: a table for spreadsheets, and JSON for programs."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

from workbench.errors import Refused
from workbench.history import Entry, Query, documents, page
from workbench.store import Store

_COLUMNS = {
    "measured (UTC)": "measured_at",
    "model": "model",
    "data": "data",
    "recipe": "recipe",
    "accuracy": "accuracy",
    "accuracy_low": "low",
    "accuracy_high": "high",
    "images": "images",
    "size_bytes": "size_bytes",
    "macs": "macs",
    "star": "star",
    "note": "note",
    "key": "key",
}
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")


def table(entries: Iterable[Entry]) -> str:
    """Return rows as comma-separated values with a heading.

    A text that a spreadsheet would take for a formula has an apostrophe in front
    (https://owasp.org/www-community/attacks/CSV_Injection): notes and names come from anybody.
    """
    out = io.StringIO(newline="")
    writer = csv.writer(out)
    writer.writerow(_COLUMNS)
    for entry in entries:
        writer.writerow([_cell(getattr(entry, name), name) for name in _COLUMNS.values()])
    return out.getvalue()


def exported(store: Store, query: Query, kind: str) -> bytes:
    """Return what is found as a file of a kind, `csv` or `json`. Raises `Refused`."""
    match kind:
        case "csv":
            return table(page(store, query).entries).encode("utf-8-sig")  # the mark by which Excel knows UTF-8
        case "json":
            return json.dumps(list(documents(store, query)), ensure_ascii=False, indent=1).encode()
    raise Refused(f"a history is written as csv or json, got {kind}")


def moment(seconds: float | None) -> str:
    """Return a time in UTC as `2026-01-31 12:05`, to the minute; nothing for none."""
    return "" if seconds is None else datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M")


def _cell(value: Any, name: str) -> Any:
    match value:
        case None:
            return ""
        case bool():
            return int(value)
        case str():
            return f"'{value}" if value.startswith(_FORMULA) else value
        case float() if name == "measured_at":
            return datetime.fromtimestamp(value, UTC).isoformat(timespec="seconds")
        case float() if value.is_integer():
            return int(value)
        case _:
            return value
