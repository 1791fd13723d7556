"""What a page computes takes its place among other kernels: its answer at once, the rest when it is its turn."""

from __future__ import annotations

import tempfile
import time

import pytest

from widgets.app import Workbench
from workbench import courtesy
from workbench.context import Progress
from workbench.courtesy import Urgency
from workbench.errors import Cancelled
from workbench.recipe import Recipe
from workbench.registry import techniques
from workbench.store import Store

NOBODY = 2**22 + 1
"""A number above those of processes."""


def until(condition, seconds=60.0):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.005)


@pytest.fixture
def others(tmp_path, monkeypatch):
    """Leaves the mark of another process that does something of an urgency, and nothing goes on by mere patience."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setattr(courtesy, "_PAUSE_SECONDS", 600.0)
    monkeypatch.setattr(courtesy, "_LASTS_SECONDS", 3000.0)
    courtesy._folder().mkdir(parents=True)

    def begin(urgency):
        mark = courtesy._folder() / f"{urgency:d}-0.0-{NOBODY}-0"
        mark.touch()
        return mark

    return begin


@pytest.fixture
def app(others, tmp_path):
    with Store(tmp_path / "results.sqlite3") as store:
        made = Workbench("digits-mlp", store=store)
        until(lambda: made.state.current is not None and made.state.current.final)
        yield made
        made.engine.meanwhile.cancel()


def test_a_page_has_its_answer_while_another_waits_and_the_rest_after_that(app, others):
    mark = others(Urgency.ANSWER)
    recipe = Recipe((techniques.get("magnitude")(ratio=0.63),))
    app.state.put(recipe=recipe)
    until(lambda: app.state.current.job.recipe == recipe)
    assert not app.state.current.final
    time.sleep(0.3)
    assert not app.state.current.final
    mark.unlink()
    until(lambda: app.state.current.final)


def test_nothing_is_prepared_while_another_waits_for_the_rest(app, others):
    mark = others(Urgency.REST)
    app.engine.meanwhile.open()
    time.sleep(0.5)
    assert app.state.ahead is None
    mark.unlink()
    until(lambda: app.state.ahead is not None and app.state.ahead.done == app.state.ahead.of > 0)


def test_other_work_pauses_for_answers_and_what_is_timed_never(app, others):
    mark = others(Urgency.ANSWER)

    def pauses(ask):
        told = []

        def report(news):
            told.append(news)
            if len(told) == 2:
                raise Cancelled

        try:
            ask(app.state.job, report)["report"](Progress(0.5, ""))
        except Cancelled:
            return True
        return False

    assert pauses(app.engine._desk.options)
    assert not pauses(app.engine._desk.asked)
    mark.unlink()
    assert not pauses(app.engine._desk.options)
