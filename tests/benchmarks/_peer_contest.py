"""The rows of a contest: what each contender reached, and who is ahead of us or behind in what."""

from __future__ import annotations

import contextlib
import io
import logging
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import zstandard
from _peer_case import Case, Contender, Made, NotRun
from torch import Tensor

from workbench.measure._intervals import paired, wilson

CLEAR = 1.25
"""Times whose ratio is less than this are even: other work on the machine moves them as much."""


@dataclass(frozen=True, kw_only=True)
class Judged:
    """What a contender made, with its answers."""

    made: Made
    right: Tensor
    each: float
    """Seconds of one core for an image."""

    @cached_property
    def zipped(self) -> int:
        """Bytes of the file after zstd, or as it is where that is no gain."""
        return min(len(self.made.file), len(zstandard.compress(self.made.file, 19)))


def contest(case: Case, what: str, mine: Contender, *others: Contender) -> Iterator[tuple[str, str]]:
    """Yield a row for each contender; one that cannot take part has a row that says why."""
    reference = None
    for contender in (mine, *others):
        title = f"{case.title}, {what}: {contender.who}, {contender.how}"
        try:
            with quiet():
                judged = _judged(case, contender.make(case))
        except NotRun as reason:
            yield title, str(reason)
        except Exception as error:  # whatever a library stops with is its result here
            yield title, f"does not run: {type(error).__name__}: {_first_line(error)}"
        else:
            verdict = "" if reference is None else f"; {ahead(reference, judged, contender.who)}"
            yield title, described(case, judged) + verdict
            reference = reference or judged


def described(case: Case, judged: Judged) -> str:
    """Return accuracy, paired difference to the original, bytes, and times."""
    made, n = judged.made, len(judged.right)
    low, high = wilson(int(judged.right.sum()), n)
    parts = [
        f"{100 * float(judged.right.double().mean()):.2f} % [{100 * low:.1f}, {100 * high:.1f}]",
        f"change {difference(case.before, judged.right)[0]}",
        f"{len(made.file):,} B" + (f" ({judged.zipped:,} B after zstd)" if judged.zipped < len(made.file) else ""),
        f"{made.macs:,} MACs" if made.macs else "",
        f"prepared in {made.seconds:.2f} s",
        f"{1e6 * judged.each:.0f} µs an image",
        made.note,
    ]
    return ", ".join(part for part in parts if part)


def ahead(mine: Judged, theirs: Judged, who: str) -> str:
    """Return who is ahead in what."""
    told, sign = difference(mine.right, theirs.right)
    signs = {
        f"accuracy ({told})": sign,
        "bytes": _sign(len(mine.made.file), len(theirs.made.file), 1.0),
        "bytes after zstd": _sign(mine.zipped, theirs.zipped, 1.0),
        "preparation": _sign(mine.made.seconds, theirs.made.seconds, CLEAR),
        "speed": _sign(mine.each, theirs.each, CLEAR),
    }
    found = {
        f"ahead: {who}": [name for name, sign in signs.items() if sign > 0],
        "ahead: workbench": [name for name, sign in signs.items() if sign < 0],
        "even": [name for name, sign in signs.items() if sign == 0],
    }
    return "; ".join(f"{head} in {', '.join(names)}" for head, names in found.items() if names)


def difference(before: Tensor, after: Tensor) -> tuple[str, int]:
    """Return the difference in accuracy on the same images with its 95 % interval in points, and its sign.

    The sign is 0 where the interval holds zero.
    """
    n = len(before)
    gain, loss = int((after & ~before).sum()) / n, int((before & ~after).sum()) / n
    low, high = paired(gain, loss, n)
    told = f"{100 * (gain - loss):+.2f} [{100 * low:+.2f}, {100 * high:+.2f}]"
    return told, (low > 0) - (high < 0)


def _judged(case: Case, made: Made) -> Judged:
    right, each = case.answered(made.forward)
    return Judged(made=made, right=right, each=each)


def _sign(mine: float, theirs: float, clear: float) -> int:
    """Return 1 where theirs is lower by more than the factor, -1 where it is higher, 0 between."""
    return (theirs * clear < mine) - (mine * clear < theirs)


def _first_line(error: Exception) -> str:
    return next((line.strip() for line in str(error).splitlines() if line.strip()), "")[:200].replace("|", "/")


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Keep what libraries print and warn of out of the table."""
    logging.disable(logging.ERROR)
    try:
        with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
            warnings.simplefilter("ignore")
            with contextlib.redirect_stderr(io.StringIO()):
                yield
    finally:
        logging.disable(logging.NOTSET)
