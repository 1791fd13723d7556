"""The command line in this process, with an engine of the test's own where that is enough."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from workbench.cli import main
from workbench.result import Job, Result


@dataclass(frozen=True)
class Outcome:
    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


@pytest.fixture
def workbench(capsys: pytest.CaptureFixture[str]):
    """Run the command line in this process."""

    def call(*arguments: str) -> Outcome:
        with pytest.raises(SystemExit) as caught:
            main(arguments)
        captured = capsys.readouterr()
        return Outcome(int(caught.value.code or 0), captured.out, captured.err)

    return call


@pytest.fixture
def home(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    monkeypatch.setenv("WORKBENCH_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


@pytest.fixture
def rows(monkeypatch: pytest.MonkeyPatch):
    """Let `run` answer with a row of the test's own, and return the jobs that it was asked."""
    asked: list[Job] = []

    def answer_with(**changes: Any) -> list[Job]:
        def fake(job: Job, **_: Any):
            asked.append(job)
            yield replace(Result(job=job, key="k", final=True), **changes)

        monkeypatch.setattr("workbench.run.run", fake)
        return asked

    return answer_with
