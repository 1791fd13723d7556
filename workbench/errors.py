"""The two ways in which work ends early without a bug: it was refused, or it was cancelled."""

from __future__ import annotations


class Refused(ValueError):
    """Something expected went wrong; the message is one sentence a person can act on: what was expected, what came."""


class Cancelled(Exception):
    """Raised inside long work at the next batch after somebody asked it to stop."""
