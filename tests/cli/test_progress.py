"""Progress is one line on a terminal, and a plain line now and then elsewhere."""

from __future__ import annotations

import sys

import pytest

from workbench.cli.progress import ProgressLine
from workbench.context import Progress


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    now = [100.0]
    monkeypatch.setattr("workbench.cli.progress.time.monotonic", lambda: now[0])
    return now


def test_short_work_leaves_no_line_in_a_log(clock, capsys) -> None:
    with ProgressLine() as report:
        clock[0] += 9
        report(Progress(0.5, "half"))
    assert capsys.readouterr().err == ""


def test_long_work_leaves_a_line_now_and_then(clock, capsys) -> None:
    with ProgressLine() as report:
        for second in range(25):
            clock[0] += 1
            report(Progress(second / 25, f"second {second}"))
    assert capsys.readouterr().err == " 36% second 9\n 76% second 19\n"


def test_a_terminal_shows_one_line_that_is_gone_afterwards(clock, capsys, monkeypatch) -> None:
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    monkeypatch.setenv("COLUMNS", "50")
    with ProgressLine() as report:
        report(Progress(0.5, "a message that is far too long for the width of this terminal"))
        report(Progress(0.6, "too soon"))
    shown, gone = capsys.readouterr().err.split("\r\x1b[K")[1:]
    assert shown.startswith("████████████░░░░░░░░░░░░  50% a message")
    assert len(shown) == 49
    assert gone == ""
