"""Sentences about layers, for the reader of the numbers."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

_NAMED = 8
"""Names in a sentence, before "and 12 more"."""


def listed(names: Iterable[str]) -> str:
    """Return some names with commas, and how many more there are."""
    every = list(names)
    rest = f" and {len(every) - _NAMED} more" if len(every) > _NAMED else ""
    return ", ".join(every[:_NAMED]) + rest


def by_reason(reasons: Mapping[str, str]) -> str:
    """Return the names that share a reason together: "a, b (grouped); c (shared)"."""
    names: dict[str, list[str]] = {}
    for name, reason in reasons.items():
        names.setdefault(reason, []).append(name)
    return "; ".join(f"{listed(found)} ({reason})" for reason, found in names.items())
