"""The bar, the words, Cancel and the alert of long work, without work."""

from __future__ import annotations

import pytest

from widgets.background import Outcome
from widgets.panels._panel import Panel
from widgets.panels._work import Work
from widgets.state import AppState
from workbench.context import Progress

ENDS = {Outcome.DONE: "done", Outcome.CANCELLED: "cancelled", Outcome.FAILED: "failed"}


class Empty(Panel):
    title = "Work"

    def build(self):
        self.show()


@pytest.fixture
def work():
    made = Work(Empty(AppState("digits-mlp")), lambda: made.stops.append(True), "Stop", ENDS.__getitem__)
    made.stops = []
    return made


def test_it_shows_how_far_a_run_has_come_and_how_it_ended(work):
    listener = work.begin()
    assert (work.running, work.stop.disabled, work.bar.layout.display) == (True, False, None)
    listener.progress(Progress(0.5, "half <done>"))
    assert work.bar.value == 0.5
    assert "half &lt;done&gt;" in work.told.value
    listener.progress(Progress(0.6, "a moment later"))
    assert work.bar.value == 0.5, "not more often than a person reads"
    listener.ended(Outcome.FAILED, "no such file")
    assert (work.running, work.stop.disabled, work.bar.layout.display) == (False, True, "none")
    assert "failed" in work.told.value
    assert "no such file" in work.alert.value


def test_an_older_run_is_not_heard(work):
    older, heard = work.begin(), []
    result = work.latest(heard.append)
    newer = work.begin()
    older.progress(Progress(0.5, "older"))
    older.ended(Outcome.CANCELLED, "")
    result("older")
    assert work.running
    assert "starting" in work.told.value
    assert not heard
    newer.ended(Outcome.DONE, "")
    assert "done" in work.told.value


def test_cancel_waits_for_the_run_to_end(work):
    listener = work.begin()
    work.stop.click()
    assert work.stops == [True]
    assert "cancelling" in work.told.value
    assert work.running
    listener.ended(Outcome.CANCELLED, "")
    assert "cancelled" in work.told.value


def test_what_was_can_be_forgotten(work):
    listener = work.begin()
    work.forget()
    listener.ended(Outcome.CANCELLED, "")
    assert (work.stops, work.told.value, work.alert.value, work.running) == ([True], "", "", False)
