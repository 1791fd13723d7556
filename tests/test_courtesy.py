"""Who is waited for goes first: across processes with one home, never within one, and never for ever."""

from __future__ import annotations

import os
import subprocess
import sys
import time

import pytest

from workbench import courtesy
from workbench.context import Progress
from workbench.courtesy import Urgency, Wait, awaited, giving_way
from workbench.errors import Cancelled

NEWS = Progress(0.5, "half")


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("WORKBENCH_HOME", str(tmp_path))
    monkeypatch.setattr(courtesy, "_PAUSE_SECONDS", 60.0)
    return tmp_path


@pytest.fixture
def other(home):
    """Another process that waits until its input ends: for something of the urgency that it is started with."""
    started = []

    def start(urgency):
        code = (
            "import sys; from workbench.courtesy import Urgency, awaited\n"
            "with awaited(Urgency(int(sys.argv[1]))): print('waiting', flush=True); sys.stdin.read()"
        )
        process = subprocess.Popen(
            [sys.executable, "-c", code, str(int(urgency))], stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        started.append(process)
        assert process.stdout.readline() == b"waiting\n"
        return process

    yield start
    for process in started:
        process.stdin.close()
        process.wait(20)
        process.stdout.close()


def pauses(urgency) -> bool:
    """Whether work of this urgency pauses now; it is stopped as soon as it does."""
    told = []

    def report(news):
        told.append(news)
        if len(told) > 1:
            raise Cancelled

    try:
        giving_way(report, urgency)(NEWS)
    except Cancelled:
        return True
    assert told == [NEWS]
    return False


@pytest.mark.parametrize(
    ("awaited_there", "pausing"),
    [
        (Urgency.ANSWER, [Urgency.REST, Urgency.NOTHING]),
        (Urgency.REST, [Urgency.NOTHING]),
        (Urgency.NOTHING, []),
    ],
)
def test_work_pauses_for_what_is_more_urgent_elsewhere(other, awaited_there, pausing):
    other(awaited_there)
    assert [urgency for urgency in Urgency if pauses(urgency)] == pausing


def test_it_goes_on_when_the_other_ends_or_dies(other):
    process = other(Urgency.ANSWER)
    begin = time.monotonic()

    def report(news):
        if time.monotonic() - begin > 0.1:
            process.stdin.close()
        assert time.monotonic() - begin < 30

    giving_way(report, Urgency.REST)(NEWS)
    assert not pauses(Urgency.REST)

    killed = other(Urgency.ANSWER)
    killed.kill()
    killed.wait()
    assert pauses(Urgency.REST)  # for a while: it left without a word


def test_whoever_left_without_a_word_is_forgotten(home):
    with awaited(Urgency.ANSWER):
        (mark,) = (home / "awaited").iterdir()
        left = mark.with_name("0-1-0")
        left.touch()
    assert pauses(Urgency.REST)
    os.utime(left, (time.time() - 11, time.time() - 11))
    assert not pauses(Urgency.REST)


def test_no_pause_is_endless(other, monkeypatch):
    other(Urgency.ANSWER)
    monkeypatch.setattr(courtesy, "_PAUSE_SECONDS", 0.05)
    told = []
    giving_way(told.append, Urgency.REST)(NEWS)
    assert told[:2] == [NEWS, NEWS]


def test_a_process_that_is_waited_for_itself_pauses_for_nobody(other):
    other(Urgency.ANSWER)
    with awaited(Urgency.ANSWER):
        assert not pauses(Urgency.NOTHING)
    assert pauses(Urgency.NOTHING)


def test_threads_of_one_process_do_not_pause_for_each_other():
    with awaited(Urgency.ANSWER):
        assert not pauses(Urgency.NOTHING)


def test_a_wait_is_urgent_until_it_is_answered(other, home):
    def marks():
        return [path.name[0] for path in (home / "awaited").iterdir()]

    with Wait(lambda news: None) as wait:
        assert marks() == ["0"]
        wait.report(NEWS)
        wait.answered()
        wait.answered()
        assert marks() == ["1"]
    assert marks() == []

    other(Urgency.ANSWER)
    told = []

    def report(news):
        told.append(news)
        if len(told) > 2:
            raise Cancelled

    with Wait(report) as wait:
        wait.report(NEWS)
        assert told == [NEWS]  # it pauses for nobody
        wait.answered()
        with pytest.raises(Cancelled):
            wait.report(NEWS)


def test_a_home_that_cannot_be_written_stops_nobody(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("WORKBENCH_HOME", str(tmp_path / "file"))
    with awaited(Urgency.ANSWER):
        assert not pauses(Urgency.NOTHING)


def test_what_else_lies_there_stops_nobody(home):
    (home / "awaited").mkdir()
    (home / "awaited" / "README").write_text("")
    (home / "awaited" / "0-x").write_text("")
    assert not pauses(Urgency.REST)
