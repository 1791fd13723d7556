"""What contests decided, kept beside the traces: a small file for each, since a contest is dear to hold again.

A decision is the number of a rival. One that comes from the folder of a class can at worst name another of the rivals.
"""

from __future__ import annotations

import contextlib
import json
from pathlib import Path

from workbench.context import Context
from workbench.errors import Refused
from workbench.files import write_whole
from workbench.recipe import digest
from workbench.reconstruction.traces import sources

_BYTES = 1000


def recall(contest: str, rivals: int, ctx: Context) -> int | None:
    """Return which of so many rivals has won a contest, from memory or from a folder; None where nobody knows."""
    known: int | None = ctx.decisions.peek(contest)
    for folder in (ctx.folder, ctx.shared):
        if known is None and folder is not None:
            found = _read(_path(folder, contest, ctx))
            if found is not None and 0 <= found < rivals:
                known = ctx.decisions.get(contest, lambda found=found: found)  # type: ignore[misc]
    return known


def keep(contest: str, winner: int, ctx: Context) -> None:
    """Write which rival has won; where there is no room, the contest is held again some time."""
    if ctx.folder is not None:
        with contextlib.suppress(OSError, Refused):
            ctx.folder.mkdir(parents=True, exist_ok=True)
            write_whole(_path(ctx.folder, contest, ctx), json.dumps({"winner": winner}).encode(), follow=False)


def _path(folder: Path, contest: str, ctx: Context) -> Path:
    return folder / f"{digest([sources(), contest, ctx.seed])}.contest.json"


def _read(path: Path) -> int | None:
    try:
        if not path.is_file():
            return None
        with path.open("rb") as file:
            found = json.loads(file.read(_BYTES))["winner"]
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return None
    return found if isinstance(found, int) and not isinstance(found, bool) else None
