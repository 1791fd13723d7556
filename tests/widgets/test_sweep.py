"""The panel of sweeps: what it would do, what it may do, and one real sweep from button to points."""

from __future__ import annotations

import dataclasses
import time

import pytest

from widgets.app import Workbench
from widgets.background import Outcome
from widgets.bridge.listener import Listener
from widgets.bridge.sweep import MOST_WORKERS
from widgets.panels._axis import AxisBox, allowed, picked, settings
from widgets.panels.sweep import SweepPanel, outcome_text
from workbench.recipe import Recipe
from workbench.registry import techniques
from workbench.result import DataRef, Estimate, Job, ModelRef, Result, Status
from workbench.store import Store
from workbench.variation import Axis

MAGNITUDE, BITS = techniques.get("magnitude"), techniques.get("weight_bits")


def until(condition, seconds=90.0):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.01)


@pytest.fixture
def store(tmp_path):
    with Store(tmp_path / "results.sqlite3") as made:
        yield made


@pytest.fixture
def app(store):
    made = Workbench("digits-mlp", store=store)
    until(lambda: not made.state.busy)
    yield made
    made.engine.sweep.cancel()


def set_to(panel, low, high, count):
    axis = panel.axes[0]
    axis.technique.value, axis.prepared.value = "magnitude", False
    axis.span.value, axis.count.value = (low, high), count


def test_settings_are_numbers_of_techniques_that_do_not_train():
    found = settings()
    assert found["magnitude"].name == "ratio"
    assert found["weight_bits"].name == "bits"
    assert not {"finetune", "distill", "equalize"} & set(found)
    assert allowed(found["weight_bits"])[:3] == (1, 2, 3)
    assert allowed(found["magnitude"])[::33] == (0.0, 0.33, 0.66, 0.99)


@pytest.mark.parametrize(
    ("values", "count", "expected"),
    [((1, 2, 3, 4, 5), 3, (1, 3, 5)), ((1, 2, 3), 5, (1, 2, 3)), ((1,), 2, (1,)), ((), 2, ()), ((1, 2), 2, (1, 2))],
)
def test_values_are_picked_evenly_with_both_ends(values, count, expected):
    assert picked(values, count) == expected


def test_an_axis_is_the_prepared_positions_or_evenly_spaced():
    box = AxisBox("Vary", "weight_bits")
    assert box.value == Axis("weight_bits", "bits", (1, 2, 3, 4, 5, 6, 7, 8))
    box.span.value = (2, 4)
    assert box.value.values == (2, 3, 4)
    box.prepared.value = False
    box.count.value = 2
    assert box.value.values == (2, 4)
    box.technique.value = "n_m"
    assert box.prepared.layout.display == "none"
    assert box.value.technique == "n_m"
    box.technique.value = "channels"
    box.span.value = (0.85, 0.9)
    assert box.value is None
    assert "wider range" in box.told.value
    box.technique.value = ""
    assert box.value is None


def test_the_number_of_recipes_is_told_before(app):
    panel = app.sweep
    panel.opened.value = True
    set_to(panel, 0.1, 0.3, 3)
    assert "3 recipes: these values put into the original" in panel.about.value
    panel.axes[1].technique.value = "weight_bits"
    panel.axes[1].span.value = (2, 3)
    assert "6 recipes" in panel.about.value
    panel.axes[1].technique.value = "magnitude"
    assert "magnitude.ratio varies twice" in panel.about.value
    assert panel.go.disabled
    for axis in panel.axes:
        axis.technique.value = ""
    assert "Choose what is to vary" in panel.about.value
    assert panel.go.disabled


@pytest.mark.parametrize("place", ["inline", "processes"])
def test_a_sweep_from_button_to_saved_points(app, store, place):
    panel = app.sweep
    panel.opened.value = True
    set_to(panel, 0.2, 0.6, 3)
    panel.place.value = place
    assert (panel.workers.layout.display is None) == (place == "processes")
    panel.go.click()
    until(lambda: not panel.work.running)
    assert "done: 3 measured and saved" in panel.work.told.value
    assert [row.job.recipe.steps[0].ratio for row in store.query(kept=True)] != []
    assert sorted(row.job.recipe.steps[0].ratio for row in app.state.saved) == [0.2, 0.4, 0.6]
    assert len(app.tradeoff._info.saved) == 3
    assert "not beaten" in panel.outcome.value


def test_cancel_keeps_what_was_finished_and_start_goes_on(app, store):
    panel = app.sweep
    panel.opened.value = True
    panel.axes[0].technique.value = "magnitude"
    panel.axes[0].prepared.value = False
    panel.axes[0].count.value = 20
    panel.go.click()
    until(lambda: len(panel._rows) >= 2)
    panel.work.stop.click()
    until(lambda: not panel.work.running)
    kept = store.query(kept=True)
    assert 2 <= len(kept) < 20
    assert f"cancelled: {len(kept)} measured" in panel.work.told.value
    assert len(app.state.saved) == len(kept)
    panel.go.click()
    until(lambda: not panel.work.running)
    assert len(store.query(kept=True)) == 20
    assert store.query(kept=True)[: len(kept)] == kept


def test_a_visitor_can_neither_name_a_scheduler_nor_start_more_workers_than_processors(app):
    app.sweep.opened.value = True
    assert dict(app.sweep.place.options).keys() & {"Dask cluster"} == set()
    for place, workers in (("dask", 0), ("processes", MOST_WORKERS + 1), ("nowhere", 1)):
        ends = []
        listener = Listener(progress=lambda _: None, ended=lambda *end: ends.append(end))  # noqa: B023
        app.engine.sweep.begin((Recipe(),), place, workers, ends.append, listener)
        until(lambda: ends)  # noqa: B023
        assert ends[0][0] is Outcome.FAILED
        assert "choose one of inline, processes" in ends[0][1]


def test_a_scheduler_that_the_author_names_is_offered(store):
    app = Workbench("digits-mlp", store=store, scheduler="tcp://127.0.0.1:1")
    assert "dask" in app.engine.sweep.places
    app.sweep.opened.value = True
    assert "dask" in dict(app.sweep.place.options).values()


def test_it_works_alone():
    panel = SweepPanel()
    panel.opened.value = True
    assert "recipes: these values" in panel.about.value


def test_failures_are_told_and_hostile_text_is_text():
    job = Job(model=ModelRef(name="m"), data=DataRef(name="d"), recipe=Recipe((MAGNITUDE(),)))
    found = {
        "accuracy": Estimate(value=0.9, low=0.8, high=1.0, how="measured"),
        "size_bytes": Estimate.counted(10),
    }
    good = Result(job=job, key="k", estimates=found, final=True, notes=("this result was not saved: <no room>",))
    bad = Result(job=job, key="", status=Status.FAILED, message="<script>", final=True)
    page = outcome_text([good, *[dataclasses.replace(bad, key=str(number)) for number in range(5)]])
    assert "<script>" not in page
    assert "1 of them is not beaten" in page
    assert "5 failed" in page
    assert "and 2 more" in page
    assert "&lt;no room&gt;" in page
