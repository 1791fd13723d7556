"""The background thread: latest wins, cancel, and failures that reach the page; nothing kills it."""

from __future__ import annotations

import threading
import time

import pytest

from widgets.background import Background, Outcome, Task
from workbench.context import Progress
from workbench.errors import Refused


def until(condition, seconds=20.0):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.002)


@pytest.fixture
def background():
    return Background("test")


def forever(begun, stopped, number=0):
    def work(report):
        begun.append(number)
        try:
            while True:
                time.sleep(0.001)
                report(Progress(0.0, ""))
        except BaseException:
            stopped.append(number)
            raise

    return work


def test_a_burst_runs_the_last_request_and_every_task_ends_once(background):
    begun, stopped, ended, done = [], [], [], []
    for number in range(49):
        background.submit(
            Task(work=forever(begun, stopped, number), ended=lambda outcome, _, n=number: ended.append((n, outcome)))
        )
    background.submit(Task(work=lambda report: done.append(49), ended=lambda outcome, _: ended.append((49, outcome))))
    until(lambda: len(ended) == 50)
    assert done == [49]
    assert begun == stopped  # whatever began was stopped
    assert sorted(ended) == [(n, Outcome.CANCELLED) for n in range(49)] + [(49, Outcome.DONE)]


def test_cancel_stops_at_the_next_report_and_the_next_task_runs(background):
    begun, stopped, ended = [], [], []
    background.submit(Task(work=forever(begun, stopped), ended=lambda outcome, _: ended.append(outcome)))
    until(lambda: begun)
    background.cancel()
    until(lambda: ended)
    assert (stopped, ended, background.running) == ([0], [Outcome.CANCELLED], False)
    ran = threading.Event()
    background.submit(Task(work=lambda report: ran.set()))
    assert ran.wait(5)


def test_progress_reaches_its_listener(background):
    heard = []
    background.submit(Task(work=lambda report: report(Progress(0.5, "half")), progress=heard.append))
    until(lambda: heard)
    assert heard == [Progress(0.5, "half")]


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (Refused("expected a, got b"), "expected a, got b"),
        (KeyError("x"), "this is a fault of the workbench (KeyError: 'x')"),
        (SystemExit(3), "this is a fault of the workbench (SystemExit: 3)"),
    ],
    ids=["refused", "bug", "exit"],
)
def test_a_failure_is_told_as_one_sentence(background, error, words):
    def work(report):
        raise error

    ended = []
    background.submit(Task(work=work, ended=lambda *what: ended.append(what)))
    until(lambda: ended)
    assert ended == [(Outcome.FAILED, words)]


def test_a_failure_of_work_that_was_replaced_is_nobodys_concern(background):
    may_fail, ended = threading.Event(), []

    def work(report):
        may_fail.wait(10)
        raise Refused("too late")

    background.submit(Task(work=work, ended=lambda *what: ended.append(what)))
    until(lambda: background.running)
    background.submit(Task(work=lambda report: None, ended=lambda *what: ended.append(what)))
    may_fail.set()
    until(lambda: len(ended) == 2)
    assert ended == [(Outcome.CANCELLED, ""), (Outcome.DONE, "")]


def test_a_listener_that_fails_does_not_stop_the_thread(background, caplog):
    def listener(outcome, sentence):
        raise ValueError("a panel did this")

    background.submit(Task(work=lambda report: None, ended=listener))
    ran = threading.Event()
    until(lambda: background.started == 1 and not background.running)
    background.submit(Task(work=lambda report: ran.set()))
    assert ran.wait(5)
    assert "a panel did this" in caplog.text


def test_once_it_has_left_it_rests_and_begins_nothing_more(background):
    begun, stopped, ended = [], [], []
    background.submit(Task(work=forever(begun, stopped), ended=lambda outcome, _: ended.append(outcome)))
    until(lambda: begun)
    background._leave()
    assert (stopped, background.running) == ([0], False)
    background.submit(Task(work=forever(begun, stopped, 1), ended=lambda outcome, _: ended.append(outcome)))
    until(lambda: len(ended) == 2)
    assert (begun, ended) == ([0], [Outcome.CANCELLED] * 2)
