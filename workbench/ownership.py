"""Whose a name on the board of a class is, without accounts: a person types it in, and a secret of theirs remembers.

The secret is random and lies in the folder of the person's own data. What is submitted carries a signature of the name,
with a word that tells visitors of one served page apart; it shows that a name is ours, and not the secret.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import secrets
from collections.abc import Iterable
from pathlib import Path

from workbench.errors import Refused
from workbench.files import make_folder, write_new
from workbench.resources import cache_home
from workbench.submissions import Submission, folded


def owner(name: str, who: str = "") -> str:
    """Return what tells that a name is ours, without giving away how. Raises `Refused` where nothing can be kept.

    `who` tells apart those who share one home, such as the visitors of a served page.
    """
    path = _secret_file()
    if not os.path.lexists(path):  # of two kernels that make one at once, both read what the first has written
        write_new(make_folder(path.parent) / path.name, secrets.token_hex(32).encode(), private=True)
    return _signed(_secret(path), name, who)


def own_names(submissions: Iterable[Submission], who: str = "") -> frozenset[str]:
    """Return the names of those submissions that are ours; nothing is written, and without a secret none is."""
    try:
        secret = _secret(_secret_file())
    except Refused:
        return frozenset()  # looking is for everybody; who submits is told what is wrong
    return frozenset(s.name for s in submissions if hmac.compare_digest(s.owner, _signed(secret, s.name, who)))


def _secret_file() -> Path:
    return cache_home() / "class-secret"


def _signed(secret: bytes, name: str, who: str) -> str:
    return hmac.new(secret, f"{folded(name)}\0{who}".encode(), hashlib.sha256).hexdigest()


def _secret(path: Path) -> bytes:
    try:
        found = path.read_bytes()
    except OSError as error:
        raise Refused(
            f"{path}, which tells that your name is yours, cannot be read: {error.strerror or error}"
        ) from None
    if len(found) < 32:
        raise Refused(f"{path}, which tells that your name is yours, is damaged: remove it and choose a new name")
    return found
