"""Who is waited for goes first: across processes with one home, never within one, and never for ever."""

from __future__ import annotations

import subprocess
import sys
import time

import pytest

from workbench import courtesy
from workbench.context import Progress, ignore
from workbench.courtesy import Place, Urgency, giving_way
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
            "import sys; from workbench.courtesy import Place, Urgency\n"
            "with Place(print, Urgency(int(sys.argv[1]))): print('waiting', flush=True); sys.stdin.read()"
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
            with Place(report, urgency) as place:
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
def test_work_pauses_for_what_is_more_urgent_elsewhere(other, monkeypatch, there, pausing):
    monkeypatch.setattr(courtesy, "_AT_ONCE", 2)
    other(there)
    assert [urgency for urgency in KINDS if pauses(urgency)] == pausing


@pytest.mark.parametrize("urgency", [Urgency.REST, Urgency.NOTHING])
def test_of_what_is_as_urgent_the_first_come_are_served(other, monkeypatch, urgency):
    monkeypatch.setattr(courtesy, "_AT_ONCE", 2)
    report, _ = stopped_at(2)
    with Place(report, urgency) as first:
        other(urgency)
        assert not pauses(urgency)
        other(urgency)
        assert pauses(urgency)
        first.report(NEWS)  # it came before them
        first.take(urgency)
        with pytest.raises(Cancelled):
            first.report(NEWS)


def test_answers_never_pause(other, monkeypatch):
    monkeypatch.setattr(courtesy, "_AT_ONCE", 1)
    for _ in range(3):
        other(Urgency.ANSWER)
    with Place(ignore, Urgency.ANSWER) as place:
        begin = time.monotonic()
        place.report(NEWS)
        assert time.monotonic() - begin < 30


def test_it_goes_on_when_the_other_ends(other):
    process = other(Urgency.ANSWER)
    begin = time.monotonic()

    def report(news):
        if time.monotonic() - begin > 0.1:
            process.stdin.close()
        assert time.monotonic() - begin < 30

    giving_way(report)(NEWS)
    assert not pauses()


def test_whoever_was_killed_is_forgotten(other, home):
    process = other(Urgency.ANSWER)
    process.kill()
    process.wait()
    assert pauses()
    (mark,) = (home / "line").iterdir()
    _, begun, *rest = mark.name.split("-")
    mark.rename(mark.with_name("-".join(["0", str(float(begun) - 11), *rest])))
    assert not pauses()


def test_old_marks_are_swept_away(home):
    (home / "line").mkdir()
    (home / "line" / f"0-{time.time() - 4000:.6f}-1-0").touch()
    assert not pauses()
    assert not [*(home / "line").iterdir()]


def test_no_pause_is_endless(other, monkeypatch):
    other(Urgency.ANSWER)
    monkeypatch.setattr(courtesy, "_PAUSE_SECONDS", 0.05)
    told = []
    giving_way(told.append)(NEWS)
    assert told[:2] == [NEWS, NEWS]


def test_a_process_that_owes_an_answer_pauses_for_nobody(other):
    other(Urgency.ANSWER)
    with Place(ignore):
        assert not any(pauses(urgency) for urgency in KINDS)
    assert pauses()


def test_threads_of_one_process_do_not_pause_for_each_other(monkeypatch):
    monkeypatch.setattr(courtesy, "_AT_ONCE", 1)
    with Place(ignore, Urgency.REST), Place(ignore, Urgency.NOTHING):
        assert not any(pauses(urgency) for urgency in KINDS)


def test_a_place_leaves_nothing_behind(home):
    def marks():
        return [path.name[0] for path in (home / "line").iterdir()]

    with Place(ignore) as place:
        assert marks() == ["0"]
        place.take(Urgency.REST)
        assert marks() == ["1"]
    assert marks() == []
    place.report(NEWS)  # it has no place any more, and waits for none


def test_a_home_that_cannot_be_written_stops_nobody(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("WORKBENCH_HOME", str(tmp_path / "file"))
    with Place(ignore):
        assert not any(pauses(urgency) for urgency in KINDS)


def test_what_else_lies_there_stops_nobody(home):
    (home / "line").mkdir()
    for name in ("README", "0-x", "7-1.0-1-1"):
        (home / "line" / name).write_text("")
    assert not any(pauses(urgency) for urgency in KINDS)
