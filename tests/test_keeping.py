"""Weights from elsewhere: kept once, under their hash, by many at a time, and never more than there is room for."""

from __future__ import annotations

import hashlib
import os
from concurrent.futures import ThreadPoolExecutor

import pytest

from workbench.errors import Refused
from workbench.keeping import keep, kept_at


def test_the_same_bytes_are_kept_once(tmp_path):
    path = keep(b"weights", tmp_path / "new")
    assert path == kept_at(tmp_path / "new", hashlib.sha256(b"weights").hexdigest())
    assert path.read_bytes() == b"weights"
    before = path.stat().st_mtime_ns
    assert keep(b"weights", tmp_path / "new") == path
    assert path.stat().st_mtime_ns == before


def test_a_damaged_file_is_written_again(tmp_path):
    path = keep(b"weights", tmp_path)
    path.write_bytes(b"weighty")
    assert keep(b"weights", tmp_path).read_bytes() == b"weights"


def test_the_oldest_make_way(tmp_path):
    first, second = keep(b"12345", tmp_path, room=8), keep(b"678", tmp_path, room=8)
    os.utime(first, (1, 1))
    third = keep(b"90", tmp_path, room=8)
    assert (first.exists(), second.exists(), third.exists()) == (False, True, True)
    keep(b"more than there is room for", tmp_path)
    assert second.exists(), "whoever names no room removes nothing"


@pytest.mark.parametrize("room", [None, 200])
def test_many_keep_at_once(tmp_path, room):
    contents = [f"{number}".encode() * 10 for number in range(60)]
    with ThreadPoolExecutor(8) as pool:
        paths = list(pool.map(lambda content: keep(content, tmp_path, room), contents))
    if room is None:
        assert [path.read_bytes() for path in paths] == contents


def test_a_folder_that_cannot_be_made_is_named(tmp_path):
    (tmp_path / "sent").write_text("a file")
    with pytest.raises(Refused, match="the folder .*sent cannot be used"):
        keep(b"weights", tmp_path / "sent")
