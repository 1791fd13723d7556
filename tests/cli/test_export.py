"""`workbench export`."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from workbench.cli.exits import Exit

DIGITS = ("digits-mlp", "--data", "digits")


def test_export_writes_a_file_that_predicts_the_same(workbench, tmp_path: Path) -> None:
    out = tmp_path / "net.dsw"
    outcome = workbench("export", *DIGITS, "--prune", "0.5", "--bits", "4", "--out", str(out), "--json")
    assert outcome.code == Exit.OK
    assert outcome.json["size_bytes"] == out.stat().st_size
    run = workbench("run", *DIGITS, "--prune", "0.5", "--bits", "4", "--json").json
    assert run["size_bytes"] == out.stat().st_size


def test_a_refused_export_leaves_the_old_file(workbench, tmp_path: Path) -> None:
    out = tmp_path / "net.dsw"
    out.write_bytes(b"old")
    assert workbench("export", *DIGITS, "--prune", "7", "--out", str(out)).code == Exit.REFUSED
    assert out.read_bytes() == b"old"
    assert os.listdir(tmp_path) == ["net.dsw"]


def test_a_file_that_predicts_something_else_is_not_written(
    workbench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "net.dsw"
    out.write_bytes(b"old")
    monkeypatch.setattr("workbench.export.packed.unpack", lambda content, build: build("digits-mlp").eval())
    outcome = workbench("export", *DIGITS, "--out", str(out))
    assert outcome.code == Exit.REFUSED
    assert "does not predict what the network in memory does" in outcome.err
    assert out.read_bytes() == b"old"
    assert os.listdir(tmp_path) == ["net.dsw"]


def test_export_into_no_folder_is_one_sentence(workbench, tmp_path: Path) -> None:
    outcome = workbench("export", *DIGITS, "--out", str(tmp_path / "missing" / "net.dsw"))
    assert outcome.code == Exit.REFUSED
    assert "cannot be written" in outcome.err
