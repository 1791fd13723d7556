"""`workbench train`."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from workbench.cli.exits import Exit

ROOT = Path(__file__).parents[2]
DIGITS = ("digits-mlp", "--data", "digits")


def test_train_writes_weights_that_run_reads(workbench, tmp_path: Path) -> None:
    out = tmp_path / "mlp.safetensors"
    outcome = workbench("train", *DIGITS, "--epochs", "3", "--out", str(out), "--json")
    assert outcome.code == Exit.OK
    row = workbench("run", *DIGITS, "--checkpoint", str(out), "--json").json
    assert row["accuracy"] == outcome.json["accuracy"] > 0.5
    assert os.listdir(tmp_path) == ["mlp.safetensors"]


def test_train_prints_the_test_accuracy_with_its_interval(workbench, tmp_path: Path) -> None:
    outcome = workbench("train", *DIGITS, "--epochs", "0.5", "--out", str(tmp_path / "mlp.safetensors"))
    assert outcome.out.startswith("test accuracy ")
    assert "measured on 600 images" in outcome.out


def test_a_wrong_seed_is_refused_before_the_training(workbench, monkeypatch, tmp_path: Path) -> None:
    monkeypatch.setattr("workbench.models._train.train", lambda *_: pytest.fail("it was trained"))
    outcome = workbench("train", *DIGITS, "--seed", "-1", "--out", str(tmp_path / "mlp.safetensors"))
    assert outcome.code == Exit.REFUSED
    assert "the seed must be a whole number" in outcome.err


def test_an_interrupted_training_leaves_the_old_weights(workbench, monkeypatch, tmp_path: Path) -> None:
    out = tmp_path / "mlp.safetensors"
    out.write_bytes(b"old")

    def interrupt(*_: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("workbench.cli.progress.ProgressLine.__call__", interrupt)
    outcome = workbench("train", *DIGITS, "--epochs", "1", "--out", str(out))
    assert outcome.code == Exit.INTERRUPTED
    assert out.read_bytes() == b"old"
    assert os.listdir(tmp_path) == ["mlp.safetensors"]


def _heard() -> None:
    """Let the process hear Ctrl-C, also where these tests run in the background of a shell, which ignores it."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGINT for one process")
def test_ctrl_c_stops_a_real_training(tmp_path: Path) -> None:
    out = tmp_path / "cnn.safetensors"
    command = [sys.executable, "-m", "workbench", "train", "digits-cnn", "--data", "digits", "--epochs", "5000"]
    process = subprocess.Popen(
        [*command, "--out", str(out)],
        cwd=ROOT,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=_heard,
    )
    assert process.stderr is not None
    process.stderr.readline()  # the first progress: training has begun
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=30)
    assert process.returncode == Exit.INTERRUPTED
    assert err.splitlines()[-1] == "workbench: interrupted"
    assert "Traceback" not in err
    assert os.listdir(tmp_path) == []
