"""What every command shares: help, exit codes, one sentence instead of a traceback."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from workbench.cli.exits import Exit
from workbench.errors import Cancelled
from workbench.registry import techniques
from workbench.result import Job

ROOT = Path(__file__).parents[2]
DIGITS = ("digits-mlp", "--data", "digits")


def test_help_tells_the_exit_codes(workbench) -> None:
    outcome = workbench("--help")
    assert outcome.code == Exit.OK
    for code in ("2 the command line", "3 refused", "4 infeasible", "130 interrupted"):
        assert code in " ".join(outcome.out.split())


def test_help_needs_neither_torch_nor_jupyter() -> None:
    code = (
        "import sys\nfrom workbench.cli import main\n"
        "try: main(['--help'])\nexcept SystemExit: pass\n"
        "print(sorted({'torch', 'voila', 'jupyterlab', 'ipywidgets', 'numpy'} & set(sys.modules)), file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=True)
    assert done.stderr.strip() == "[]"


def test_the_help_of_run_shows_each_technique_with_its_fields(workbench) -> None:
    text = " ".join(workbench("run", "--help").out.split())
    for cls in techniques:
        assert f"--{cls.name.replace('_', '-')} FIELD=VALUE" in text
        assert cls.title in text
        for flag in cls.flags:
            assert f"--{flag.replace('_', '-')} " in text
    assert "share of the weights set to zero, 0 to 0.99" in text


def test_an_unknown_command_is_bad_usage(workbench) -> None:
    outcome = workbench("compress")
    assert outcome.code == Exit.USAGE
    assert "No such command" in outcome.err


def test_a_missing_option_is_bad_usage(workbench) -> None:
    outcome = workbench("run", "digits-mlp")
    assert outcome.code == Exit.USAGE
    assert "--data" in outcome.err


@pytest.mark.parametrize("error", [KeyboardInterrupt, Cancelled])
def test_an_interrupt_has_its_exit_code(workbench, monkeypatch, error: type[BaseException]) -> None:
    def interrupted(job: Job, **_: Any):
        raise error
        yield

    monkeypatch.setattr("workbench.run.run", interrupted)
    outcome = workbench("run", *DIGITS)
    assert outcome.code == Exit.INTERRUPTED
    assert outcome.out == ""
