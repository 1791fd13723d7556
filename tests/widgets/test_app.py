"""The whole workbench without a browser: widgets are set and read as plain objects, the engine is the real one."""

from __future__ import annotations

import time

import pytest

from widgets.app import Workbench
from widgets.panels.tradeoff import restore
from workbench.recipe import Recipe
from workbench.registry import techniques
from workbench.result import DataRef, Job, ModelRef
from workbench.run import packed_file, run
from workbench.store import Store

MAGNITUDE, BITS = techniques.get("magnitude"), techniques.get("weight_bits")


def until(condition, seconds=60.0):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.005)


def settled(app):
    state = app.state
    return not state.busy and (state.error or (state.current and state.current.job == state.job))


@pytest.fixture
def store(tmp_path):
    with_path = Store(tmp_path / "results.sqlite3")
    yield with_path
    with_path.close()


@pytest.fixture
def app(store):
    made = Workbench("digits-mlp", store=store)
    until(lambda: settled(made))
    yield made
    made.engine.cancel_training()
    until(lambda: not made.engine.training)


def measured(*steps):
    job = Job(model=ModelRef(name="digits-mlp"), data=DataRef(name="digits"), recipe=Recipe(steps))
    *_, row = run(job)
    return row


def test_it_opens_with_the_original_measured(app):
    assert app.state.current.estimates == measured().estimates
    assert app.state.layers == ("fc1", "fc2", "fc3")
    assert app.recipe.forms["magnitude"].layers == ("fc1", "fc2", "fc3")


def test_a_slider_moves_the_point(app):
    form = app.recipe.forms["magnitude"]
    form.on.value = True
    form.controls["ratio"].inner.value = 0.8
    until(lambda: settled(app))
    row = measured(MAGNITUDE(ratio=0.8))
    assert app.state.current.estimates == row.estimates
    now = next(trace for trace in app.tradeoff.figure.data if trace.name == "now")
    assert (now.x[0], now.y[0]) == (row.estimates["size_bytes"].value, row.estimates["accuracy"].value)
    assert app.tradeoff.figure._widget_data[-1]["x"][0] == now.x[0], "a page that opens now gets the same"


def test_a_burst_of_moves_is_measured_few_times_and_ends_on_the_last(app):
    form = app.recipe.forms["magnitude"]
    form.on.value = True
    until(lambda: settled(app))
    before = app.engine.evaluations
    for number in range(50):
        form.controls["ratio"].inner.value = 0.3 + number / 100
    until(lambda: settled(app))
    assert app.state.current.job.recipe == Recipe((MAGNITUDE(ratio=0.79),))
    assert app.engine.evaluations - before < 50
    evaluations = app.engine.evaluations
    time.sleep(0.2)
    assert app.engine.evaluations == evaluations


def test_steps_keep_the_order_of_a_pasted_recipe(app):
    pasted = Recipe((BITS(bits=4), MAGNITUDE(ratio=0.5)))
    app.recipe.text.value = pasted.to_json()
    app.recipe.apply.click()
    assert app.state.recipe == pasted
    app.recipe.forms["weight_bits"].controls["bits"].inner.value = 3
    assert app.state.recipe == Recipe((BITS(bits=3), MAGNITUDE(ratio=0.5)))


@pytest.mark.parametrize(
    "text", ["", "{", "[]", '{"format": 9, "steps": []}', '{"format": 1, "steps": [{"step": "x"}]}']
)
def test_a_broken_recipe_is_refused_in_the_panel_and_nothing_changes(app, text):
    before = app.state.recipe
    app.recipe.text.value = text
    app.recipe.apply.click()
    assert "dsw-error" in app.recipe._told.value
    assert app.state.recipe == before


def test_the_saved_file_is_as_long_as_shown(app, store):
    form = app.recipe.forms["weight_bits"]
    form.on.value = True
    until(lambda: settled(app))
    app.tradeoff.save.click()
    row = app.state.saved[0]
    assert store.packed(row.key) == packed_file(row.job)
    assert len(store.packed(row.key)) == row.estimates["size_bytes"].value
    name, content = app.tradeoff._file()
    assert content == store.packed(row.key)
    assert name.endswith(".dsw")
    assert app.results.table.rows[0]["key"] == row.key
    app.engine.remove(row.key)
    assert app.state.saved == ()


def test_a_training_saves_its_point_and_its_control(app):
    app.training.choice.value = "distill"
    app.training.form.controls["epochs"].inner.value = 0.5
    app.training.go.click()
    until(lambda: app.training.told.value.find("done") > 0)
    assert len(app.state.saved) == 2
    assert [row.job.recipe.is_control for row in app.state.saved] == [False, True]
    assert app.training.outcome.value.count("<li>") == 2
    assert not app.training.go.disabled
    trained = app.state.saved[0]
    restore(app.state, trained.key)
    until(lambda: settled(app))
    assert app.state.current.estimates == trained.estimates, "from the store: a restored point is not trained again"


def test_a_recipe_that_trains_and_was_never_measured_is_not_trained_by_a_paste(app):
    app.state.put(recipe=Recipe((techniques.get("finetune")(epochs=50),)))
    until(lambda: app.state.error)
    assert "press Train" in app.state.error
    assert not app.state.busy


def test_cancel_keeps_what_was_finished_and_the_sliders_alive(app):
    app.training.choice.value = "finetune"
    app.training.form.controls["epochs"].inner.value = 50
    app.training.go.click()
    until(lambda: "step" in app.training.told.value)
    app.training.stop.click()
    until(lambda: "cancelled" in app.training.told.value, seconds=5)
    assert app.state.saved == ()
    app.recipe.forms["weight_bits"].on.value = True
    until(lambda: settled(app))
    assert app.state.current.job.recipe == Recipe((BITS(),))


def test_code_from_a_file_runs_only_where_the_notebook_names_it(tmp_path, store):
    source = tmp_path / "net.py"
    source.write_text(
        "from torch import nn\nimport pathlib\n"
        f"pathlib.Path({str(tmp_path / 'ran')!r}).touch()\n"
        "def build():\n    return nn.Sequential(nn.Flatten(), nn.Linear(64, 10))\n"
    )
    name = f"user:{source}:build"
    visitor = Workbench("digits-mlp", store=store)
    visitor.model.other.value = name
    until(lambda: visitor.state.error)
    assert "does not run" in visitor.state.error
    assert not (tmp_path / "ran").exists()
    owner = Workbench(name, models=(name,), store=store)
    until(lambda: settled(owner))
    assert owner.state.error == ""
    assert (tmp_path / "ran").exists()


def test_a_store_that_cannot_be_opened_is_told_and_the_sliders_still_work(tmp_path, monkeypatch):
    blocked = tmp_path / "file"
    blocked.write_text("not a folder")
    monkeypatch.setenv("WORKBENCH_HOME", str(blocked))
    app = Workbench("digits-mlp")
    until(lambda: app.state.baseline and app.state.baseline.final and not app.state.busy)
    assert str(blocked) in app.state.error
    app.recipe.forms["weight_bits"].on.value = True
    until(lambda: app.state.current.job.recipe == Recipe((BITS(),)) and not app.state.busy)
    app.tradeoff.save.click()
    assert str(blocked) in app.state.error


def test_names_from_anybody_are_shown_as_text(app):
    app.model.other.value = "<img src=x onerror=alert(1)>"
    until(lambda: app.state.error)
    assert "<img" not in app.model._told.value
    assert "&lt;img" in app.model._told.value
