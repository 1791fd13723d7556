"""Who is waited for goes first: across processes with one home, never within one, and never for ever."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time

import pytest

from workbench import courtesy
from workbench.context import Progress, ignore
from workbench.courtesy import InLine, Urgency, giving_way
from workbench.errors import Cancelled

NEWS = Progress(0.5, "half", {"loss": (1.0, 2.0)})
NOBODY = 2**22 + 1
"""A number above those of processes."""


@pytest.fixture(autouse=True)
def line(tmp_path, monkeypatch):
    """The folder of marks, which live for long and pause for long: so nothing here goes on by mere patience."""
    monkeypatch.setenv("WORKBENCH_HOME", str(tmp_path))
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr(tempfile, "tempdir", None)  # it is remembered
    monkeypatch.setattr(courtesy, "_PAUSE_SECONDS", 600.0)
    monkeypatch.setattr(courtesy, "_LASTS_SECONDS", 3000.0)
    monkeypatch.setattr(courtesy, "_AT_ONCE", 1)
    folder = courtesy._folder()
    folder.mkdir(parents=True)
    return folder


def other(line, urgency, begun=0.0, process=NOBODY):
    """Leave the mark of another process."""
    mark = line / f"{urgency:d}-{begun:.6f}-{process}-0"
    mark.touch()
    return mark


def stopped_at(number):
    """Return a report that is stopped when it is called for the time with this number, and what it was told."""
    told = []

    def report(news):
        told.append(news)
        if len(told) >= number:
            raise Cancelled

    return report, told


def pauses(urgency=None) -> bool:
    """Whether work of this urgency, or without a place, pauses now; it is stopped as soon as it does."""
    report, told = stopped_at(2)
    try:
        if urgency is None:
            giving_way(report)(NEWS)
        else:
            with InLine(report, urgency) as place:
                place.report(NEWS)
    except Cancelled:
        return True
    assert told == [NEWS]
    return False


KINDS = [*Urgency, None]


@pytest.mark.parametrize(
    ("there", "pausing"),
    [
        (Urgency.ANSWER, [Urgency.REST, Urgency.NOTHING, None]),
        (Urgency.REST, [Urgency.NOTHING]),
        (Urgency.NOTHING, []),
    ],
)
def test_work_pauses_for_what_is_more_urgent_elsewhere(line, monkeypatch, there, pausing):
    monkeypatch.setattr(courtesy, "_AT_ONCE", 2)
    mark = other(line, there)
    assert [urgency for urgency in KINDS if pauses(urgency)] == pausing
    mark.unlink()
    assert not any(pauses(urgency) for urgency in KINDS)


@pytest.mark.parametrize("urgency", [Urgency.REST, Urgency.NOTHING])
def test_of_what_is_as_urgent_the_first_come_are_served(line, monkeypatch, urgency):
    monkeypatch.setattr(courtesy, "_AT_ONCE", 2)
    other(line, urgency, process=NOBODY)
    other(line, urgency, begun=1.0, process=NOBODY)
    assert not pauses(urgency)  # two marks of one process
    report, _ = stopped_at(2)
    with InLine(report, urgency) as first:
        other(line, urgency, begun=time.time() + 1, process=NOBODY + 1)
        first.report(NEWS)  # it came before the second process
        other(line, urgency, begun=2.0, process=NOBODY + 1)
        with pytest.raises(Cancelled):
            first.report(NEWS)


def test_a_new_place_is_behind_those_who_wait(line):
    report, _ = stopped_at(2)
    with InLine(report, Urgency.NOTHING) as place:
        other(line, Urgency.NOTHING, begun=time.time())
        place.report(NEWS)
        place.take(Urgency.NOTHING)
        with pytest.raises(Cancelled):
            place.report(NEWS)


def test_answers_never_pause(line):
    for number in range(3):
        other(line, Urgency.ANSWER, process=NOBODY + number)
    assert not pauses(Urgency.ANSWER)


def test_another_process_is_waited_for_until_it_ends(tmp_path):
    code = (
        "import sys; from workbench.courtesy import InLine, Urgency\n"
        "with InLine(print, Urgency.ANSWER): print('waiting', flush=True); sys.stdin.read()"
    )
    command = [sys.executable, "-c", code]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout.readline() == b"waiting\n"
        assert pauses()
        told = []

        def report(news):
            told.append(news)
            if len(told) == 3:
                process.stdin.close()

        giving_way(report)(NEWS)
    assert len(told) >= 3
    assert process.returncode == 0


def test_whoever_was_killed_is_forgotten_and_swept_away(line, monkeypatch):
    mark = other(line, Urgency.ANSWER)
    assert pauses()
    os.utime(mark, (time.time() - 3100, time.time() - 3100))
    assert not pauses()
    assert mark.exists()
    os.utime(mark, (time.time() - 4000, time.time() - 4000))
    assert not pauses()
    assert not mark.exists()


def test_long_work_keeps_its_place(line, monkeypatch):
    monkeypatch.setattr(courtesy, "_RENEW_SECONDS", 0.0)
    with InLine(ignore, Urgency.REST) as place:
        (mark,) = line.iterdir()
        os.utime(mark, (1.0, 1.0))
        place.report(NEWS)
        assert time.time() - mark.stat().st_mtime < 60


def test_no_pause_is_endless(line, monkeypatch):
    monkeypatch.setattr(courtesy, "_PAUSE_SECONDS", 0.05)
    other(line, Urgency.ANSWER)
    told = []
    giving_way(told.append)(NEWS)
    assert len(told) > 1


def test_points_of_curves_are_told_once(line):
    other(line, Urgency.ANSWER)
    report, told = stopped_at(3)
    with pytest.raises(Cancelled):
        giving_way(report)(NEWS)
    assert [news.curves for news in told] == [NEWS.curves, {}, {}]
    assert {news.message for news in told} == {NEWS.message}


def test_a_process_that_owes_an_answer_pauses_for_nobody(line):
    other(line, Urgency.ANSWER)
    with InLine(ignore, Urgency.ANSWER):
        assert not any(pauses(urgency) for urgency in KINDS)
    assert pauses()


def test_threads_of_one_process_do_not_pause_for_each_other():
    with InLine(ignore, Urgency.REST), InLine(ignore, Urgency.NOTHING):
        assert not any(pauses(urgency) for urgency in KINDS)


def test_a_place_leaves_nothing_behind(line):
    with InLine(ignore, Urgency.ANSWER) as place:
        assert [path.name[0] for path in line.iterdir()] == ["0"]
        place.take(Urgency.REST)
        assert [path.name[0] for path in line.iterdir()] == ["1"]
    assert [*line.iterdir()] == []
    other(line, Urgency.ANSWER)
    place.report(NEWS)  # it has no place any more, and waits for none


def test_marks_that_cannot_be_written_stop_nobody(line, monkeypatch):
    other(line, Urgency.ANSWER)

    def full(*_, **__):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(courtesy.Path, "touch", full)
    assert not any(pauses(urgency) for urgency in Urgency)


def test_what_else_lies_there_stops_nobody(line):
    for name in ("README", "0-x", "7-1.0-1-1"):
        (line / name).write_text("")
    assert not any(pauses(urgency) for urgency in KINDS)
    other(line, Urgency.ANSWER)
    assert pauses()


def test_another_home_has_a_line_of_its_own(line, monkeypatch, tmp_path):
    other(line, Urgency.ANSWER)
    monkeypatch.setenv("WORKBENCH_HOME", str(tmp_path / "another"))
    assert not pauses()
