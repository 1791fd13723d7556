"""The panel of budgets: limits as typed, a front to drag along, and compression by itself, with the real engine."""

from __future__ import annotations

import time

import pytest

from widgets.app import Workbench
from widgets.figures import attempts as plot
from widgets.panels.budget import plan_text
from workbench.errors import Refused
from workbench.recipe import Recipe
from workbench.result import Status
from workbench.search.limits import Limits
from workbench.search.plan import Plan
from workbench.store import Store

pytestmark = pytest.mark.usefixtures("quick_search")


def until(condition, seconds=300.0):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.01)


@pytest.fixture
def app(tmp_path):
    with Store(tmp_path / "results.sqlite3") as store:
        made = Workbench("digits-mlp", store=store)
        until(lambda: not made.state.busy)
        made.budget.opened.value = True
        yield made
        made.engine.searching.cancel()
        until(lambda: not made.budget.work.running)


def test_limits_are_what_is_typed(app):
    panel = app.budget
    assert panel.limits() == Limits(drop=0.005)
    panel.size.value, panel.lose.value, panel.device.value, panel.latency.value = "60", "", "cortex-m7", "2"
    assert panel.limits() == Limits(size_bytes=60_000, device="cortex-m7", latency_ms=2)
    panel.size.value, panel.device.value = "", ""
    with pytest.raises(Refused, match="needs the device"):
        panel.limits()
    panel.go.click()
    assert "needs the device" in panel.work.alert.value
    assert not panel.work.running


@pytest.mark.parametrize("typed", ["abc", "-3", "0", "nan", "1e400"])
def test_what_is_no_limit_is_refused_and_nothing_runs(app, typed):
    panel = app.budget
    panel.size.value = typed
    panel.go.click()
    assert "takes a number above 0, or nothing for no limit" in panel.work.alert.value
    assert "File at most (kB)" in panel.work.alert.value
    assert not panel.work.running
    panel.size.value, panel.lose.value = " ", "0"
    assert panel.limits() == Limits(drop=0.0)


def test_the_size_slider_moves_along_the_front(app):
    panel = app.budget
    assert panel.slider.disabled
    panel.prepare.click()
    until(lambda: not panel.slider.disabled)
    sizes = [plan.costs["size_bytes"] for plan in panel._plans]
    assert sizes == sorted(sizes)
    panel.slider.value = 0
    assert app.state.recipe == panel._plans[0].recipe
    assert "The best plan for" in panel.told.value
    until(lambda: not app.state.busy)
    assert app.state.current.job.recipe == panel._plans[0].recipe
    app.state.put(recipe=Recipe())
    assert panel.slider.value in (-1, len(sizes) - 1)  # the largest plan may be the original itself
    until(lambda: "done" in panel.work.told.value)
    assert len(panel.table.rows) == len(sizes)
    app.state.put(model=app.state.model.__class__(name="digits-cnn"))
    assert panel.slider.disabled
    assert panel.table.rows == []


def test_auto_compress_keeps_the_best_and_says_what_it_chose(app):
    panel = app.budget
    panel.size.value, panel.lose.value, panel.train.value = "12", "", False
    panel.minutes.value = 600
    panel.go.click()
    until(lambda: not panel.work.running)
    assert "done: see below" in panel.work.told.value
    assert "Chosen:" in panel.outcome.value
    assert app.state.saved, "the best so far are saved points"
    best = next(each for each in reversed(panel._attempts) if each.best)
    assert app.state.recipe == best.contender.recipe
    assert best.row.key in {row.key for row in app.state.saved}
    panel.table._act(panel.table, {"picked": "0"}, None)
    assert app.state.recipe == panel._tried[0].recipe


def test_a_cancel_keeps_the_best_so_far(app):
    panel = app.budget
    panel.size.value, panel.lose.value = "20", ""
    panel.go.click()
    until(lambda: any(each.best for each in panel._attempts))
    panel.work.stop.click()
    until(lambda: not panel.work.running)
    assert "the best so far is a saved point" in panel.work.told.value
    assert "Stopped before the end" in panel.outcome.value
    assert app.state.saved


def test_protected_layers_are_offered_and_kept(app):
    panel = app.budget
    assert tuple(panel.protected.options) == ("fc1", "fc2", "fc3")
    panel.protected.value = ("fc3",)
    panel.prepare.click()
    until(lambda: not panel.slider.disabled)
    touched = {name for plan in panel._plans for step in plan.recipe.steps for name, _ in getattr(step, "layers", ())}
    assert touched == {"fc1", "fc2"}
    panel.work.stop.click()


def test_a_plan_in_words():
    found = Plan(limits=Limits(size_bytes=9e3), status=Status.OK, loss=0.02, bound=0.02, costs={"size_bytes": 8.9e3})
    assert "8.9 kB" in plan_text(found)
    assert "no better choice exists" in plan_text(found)
    none = Plan(limits=Limits(size_bytes=1), status=Status.INFEASIBLE, message="it cannot be")
    assert plan_text(none) == "it cannot be"


def test_points_are_drawn_by_kind(app):
    panel = app.budget
    panel.size.value, panel.lose.value, panel.train.value = "12", "", False
    panel.go.click()
    until(lambda: not panel.work.running)
    points = plot.points(panel._tried)
    assert [point.number for point in points] == list(range(len(points)))
    drawn = {name: len(trace.x or ()) for name, trace in zip(plot.KINDS, panel.figure.data, strict=True)}
    assert drawn == {name: len(plot.of_kind(points, name)) for name in plot.KINDS}
    assert drawn["uniform"] > 0
