"""The two ways in which work ends early without a bug: it was refused, or it was cancelled."""

from __future__ import annotations

import re


class Refused(ValueError):
    """Something expected went wrong; the message is one sentence a person can act on: what was expected, what came."""


class Cancelled(Exception):
    """Raised inside long work at the next batch after somebody asked it to stop."""


def reason(error: Exception) -> str:
    """Return why the system or a library failed, in its own words and on one line.

    What Python puts around them is left out: the number of an error, the path that the sentence names anyway, and that
    a download was a `urlopen`.
    """
    if isinstance(error, UnicodeDecodeError):
        return "it is not text in UTF-8"
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    said = str(error).strip().rpartition("\n")[2] or type(error).__name__
    return re.sub(r"<urlopen error (?:\[Errno -?\d+\] )?(.*)>", r"its server cannot be reached: \1", said)
