"""The background thread: latest wins, cancel, and failures that reach the page."""

from __future__ import annotations

import threading
import time

import pytest

from widgets.bridge import Background
from workbench.context import Progress
from workbench.errors import Refused


def until(condition, seconds=20.0):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.002)


@pytest.fixture
def failures():
    return []


@pytest.fixture
def background(failures):
    return Background("test", failures.append)


def test_a_burst_runs_the_last_request_and_leaves_nothing_waiting(background):
    done, stopped = [], []

    def work(number):
        def body(report):
            for _ in range(1000):
                time.sleep(0.001)
                try:
                    report(Progress(0.0, ""))
                except BaseException:
                    stopped.append(number)
                    raise
                if number == 49:
                    break
            done.append(number)

        return body

    for number in range(50):
        background.submit(work(number))
    until(lambda: done and not background.running)
    assert done == [49]
    assert len(stopped) == background.started - 1  # all others were stopped, or never began


def test_cancel_stops_at_the_next_report(background):
    steps = []

    def work(report):
        while True:
            steps.append(1)
            report(Progress(0.0, ""))
            time.sleep(0.002)

    background.submit(work)
    until(lambda: len(steps) > 3)
    background.cancel()
    until(lambda: not background.running)
    after = len(steps)
    time.sleep(0.05)
    assert len(steps) == after


def test_work_after_a_cancel_runs(background):
    background.cancel()
    ran = threading.Event()
    background.submit(lambda report: ran.set())
    assert ran.wait(5)


def test_progress_reaches_its_listener(background):
    heard = []
    background.submit(lambda report: report(Progress(0.5, "half")), heard.append)
    until(lambda: heard)
    assert heard == [Progress(0.5, "half")]


def test_a_refusal_is_told_as_its_sentence_and_a_bug_as_a_bug(background, failures):
    def refused(report):
        raise Refused("expected a, got b")

    def broken(report):
        raise KeyError("x")

    background.submit(refused)
    until(lambda: len(failures) == 1)
    background.submit(broken)
    until(lambda: len(failures) == 2)
    assert failures[0] == "expected a, got b"
    assert "fault of the workbench" in failures[1]
    assert "KeyError" in failures[1]
