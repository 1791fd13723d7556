"""`workbench export`."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
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


def test_the_format_is_that_of_the_file_name_or_the_one_that_is_asked_for(workbench, tmp_path: Path) -> None:
    for name, expected in {"net.zip": "code", "net.pt2": "program", "net.DSW": "packed"}.items():
        outcome = workbench("export", *DIGITS, "--out", str(tmp_path / name), "--json")
        assert (outcome.code, outcome.json["format"]) == (Exit.OK, expected)
        assert outcome.json["agreement"] == 1
        assert outcome.json["size_bytes"] == (tmp_path / name).stat().st_size
    outcome = workbench("export", *DIGITS, "--format", "code", "--out", str(tmp_path / "net.bin"), "--json")
    assert outcome.json["format"] == "code"
    assert (tmp_path / "net.bin").read_bytes()[:2] == b"PK"


def test_a_suffix_of_several_formats_asks_which(workbench, tmp_path: Path) -> None:
    outcome = workbench("export", *DIGITS, "--out", str(tmp_path / "net.onnx"))
    assert outcome.code == Exit.REFUSED
    assert "several formats are written as .onnx: choose one with --format" in outcome.err
    assert os.listdir(tmp_path) == []


def test_an_unknown_format_names_the_known_ones(workbench, tmp_path: Path) -> None:
    outcome = workbench("export", *DIGITS, "--format", "cod", "--out", str(tmp_path / "net"))
    assert outcome.code == Exit.REFUSED
    assert "did you mean 'code'?" in outcome.err


def test_a_person_reads_how_the_file_did(workbench, tmp_path: Path) -> None:
    outcome = workbench("export", *DIGITS, "--out", str(tmp_path / "net.zip"))
    first, second = outcome.out.splitlines()
    assert first.endswith(f"{(tmp_path / 'net.zip').stat().st_size:,} bytes, the same predictions on 600 images")
    assert "97.83 % [" in second
    assert "measured on 600 images in torch and safetensors" in second


# recorded jobs


@pytest.fixture
def recorded(workbench, tmp_path: Path) -> Path:
    out = tmp_path / "job.json"
    arguments = ("--prune", "0.5", "--bits", "4", "--out", str(out))
    assert workbench("export", *DIGITS, *arguments).code == Exit.OK
    return out


def test_a_recorded_job_needs_no_model_and_no_data(workbench, recorded: Path, tmp_path: Path) -> None:
    out = tmp_path / "again.dsw"
    assert workbench("export", "--recipe", str(recorded), "--out", str(out)).code == Exit.OK
    assert hashlib.sha256(out.read_bytes()).hexdigest() == json.loads(recorded.read_text())["packed"]
    outcome = workbench("run", "--recipe", str(recorded), "--json")
    assert (outcome.code, outcome.json["model"]) == (Exit.OK, "digits-mlp")
    assert outcome.json["size_bytes"] == out.stat().st_size


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("digits-cnn",), "the recorded job is of digits-mlp, got MODEL digits-cnn"),
        (("--data", "mnist"), "the recorded job is of digits, got --data mnist"),
        (("--bits", "3"), "leave the options of techniques out"),
    ],
)
def test_a_recorded_job_is_done_as_it_was(workbench, recorded: Path, tmp_path: Path, arguments, said) -> None:
    outcome = workbench("export", *arguments, "--recipe", str(recorded), "--out", str(tmp_path / "again.dsw"))
    assert outcome.code == Exit.REFUSED
    assert said in outcome.err


def test_other_weights_than_those_recorded_are_refused(workbench, recorded: Path, tmp_path: Path) -> None:
    content = json.loads(recorded.read_text())
    content["hashes"]["weights"] = "0" * 64
    recorded.write_text(json.dumps(content))
    for command in (("run",), ("export", "--out", str(tmp_path / "again.dsw"))):
        outcome = workbench(*command, "--recipe", str(recorded))
        assert outcome.code == Exit.REFUSED
        assert "the weights of digits-mlp are not those of the recorded job" in outcome.err
    assert os.listdir(tmp_path) == ["job.json"]


def test_without_a_recorded_job_model_and_data_are_asked_for(workbench, tmp_path: Path) -> None:
    for arguments, missing in (((), "MODEL"), (("digits-mlp",), "--data")):
        outcome = workbench("export", *arguments, "--out", str(tmp_path / "net.dsw"))
        assert outcome.code == Exit.USAGE
        assert f"Missing {'argument' if missing == 'MODEL' else 'option'} '{missing}'" in outcome.err


@pytest.mark.slow
def test_two_fresh_processes_make_the_same_bytes_from_a_recipe(recorded: Path, tmp_path: Path) -> None:
    made = []
    for number in range(2):
        out, home = tmp_path / f"{number}.dsw", tmp_path / f"home{number}"
        done = subprocess.run(
            [sys.executable, "-m", "workbench", "export", "--recipe", str(recorded), "--out", str(out)],
            env={**os.environ, "WORKBENCH_HOME": str(home)},
            cwd=Path(__file__).parents[2],
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stderr
        made.append(out.read_bytes())
    assert made[0] == made[1]
    assert hashlib.sha256(made[0]).hexdigest() == json.loads(recorded.read_text())["packed"]


@pytest.mark.parametrize(
    ("arguments", "name", "said"),
    [
        (("--format", "program"), "net.zip", "a file of the format program ends in .pt2, got"),
        ((), "net.foo", "says no format: choose one with --format, or a name that ends in one of .dsw, .json"),
        ((), "nosuffix", "says no format"),
    ],
)
def test_a_name_that_does_not_fit_is_refused(workbench, tmp_path: Path, arguments, name: str, said: str) -> None:
    outcome = workbench("export", *DIGITS, "--out", str(tmp_path / name), *arguments)
    assert outcome.code == Exit.REFUSED
    assert said in outcome.err
    assert os.listdir(tmp_path) == []
