"""The whole workbench without a browser: widgets are set and read as plain objects, the engine is the real one."""

from __future__ import annotations

import dataclasses
import threading
import time

import pytest

from widgets.app import Workbench
from widgets.bridge import engine
from widgets.panels._panel import Panel
from widgets.panels.recipe import ahead_text
from widgets.panels.tradeoff import restore
from workbench.ahead import Ahead
from workbench.errors import Refused
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
    with state.lock:  # whoever changes it holds the lock until all panels have drawn
        return not state.busy and (state.error or (state.current and state.current.job == state.job))


@pytest.fixture
def store(tmp_path):
    with_path = Store(tmp_path / "results.sqlite3")
    yield with_path
    with_path.close()


@pytest.fixture
def app(store):
    made = Workbench("digits-mlp", store=store)
    made.state.page._handle_custom_msg({"shown": True}, [])  # as a page does that opens
    until(lambda: settled(made))
    yield made
    made.engine.training.cancel()
    until(lambda: not made.engine.training.running)


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
    form.controls["ratio"].value = 0.8
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
        form.controls["ratio"].value = 0.3 + number / 100
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
    app.recipe.forms["weight_bits"].controls["bits"].value = 3
    assert app.state.recipe == Recipe((BITS(bits=3), MAGNITUDE(ratio=0.5)))


@pytest.mark.parametrize(
    "text", ["", "{", "[]", '{"format": 9, "steps": []}', '{"format": 1, "steps": [{"step": "x"}]}']
)
def test_a_broken_recipe_is_refused_in_the_panel_and_nothing_changes(app, text):
    before = app.state.recipe
    app.recipe.text.value = text
    app.recipe.apply.click()
    assert "dsw-error" in app.recipe._alert.value
    assert app.state.recipe == before


def test_the_saved_file_is_as_long_as_shown(app, store):
    form = app.recipe.forms["weight_bits"]
    form.on.value = True
    until(lambda: settled(app))
    app.tradeoff.save.click()
    until(lambda: app.state.saved)
    row = app.state.saved[0]
    assert store.packed(row.key) == packed_file(row.job)
    assert len(store.packed(row.key)) == row.estimates["size_bytes"].value
    sent = []
    app.tradeoff.download.send = lambda *what: sent.append(what)
    app.tradeoff.download._handle_custom_msg({"wanted": True}, [])
    until(lambda: sent)
    assert sent[0][0]["name"].endswith(".dsw")
    assert sent[0][1] == [store.packed(row.key)]
    app.history.opened.value = True
    until(lambda: row.key in [shown["key"] for shown in app.history.table.rows])
    app.history._pick(row.key)
    until(lambda: app.history.table.selected == row.key)
    app.history.remove.click()
    until(lambda: app.state.saved == ())
    assert not store.has(row.key)


def test_a_training_saves_its_point_and_its_control(app):
    app.training.choice.value = "distill"
    app.training.form.controls["epochs"].value = 0.5
    app.training.go.click()
    until(lambda: app.training.work.told.value.find("done") > 0)
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
    app.training.form.controls["epochs"].value = 50
    app.training.go.click()
    until(lambda: "step" in app.training.work.told.value)
    app.training.work.stop.click()
    until(lambda: "cancelled" in app.training.work.told.value, seconds=5)
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
    assert "does not run" in visitor.model.mistyped.value
    assert visitor.state.model.name == "digits-mlp"
    visitor.state.put(model=ModelRef(name=name))  # as a link would
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
    until(lambda: str(blocked) in app.tradeoff.alert.value)


def test_a_name_that_means_no_model_is_told_as_text_and_changes_nothing(app):
    until(lambda: settled(app))
    before = app.state.model, app.state.baseline, app.state.current
    app.model.other.value = "<img src=x onerror=alert(1)>"
    assert "&lt;img" in app.model.mistyped.value
    assert "<img" not in app.model.mistyped.value
    assert (app.state.model, app.state.baseline, app.state.current) == before
    assert app.state.error == ""
    app.model.other.value = "digits-cnn"
    assert app.model.mistyped.value == ""
    assert app.state.model == ModelRef(name="digits-cnn")


def test_a_refusal_of_a_model_that_was_left_meanwhile_is_not_shown(app, monkeypatch):
    real, asked = engine.prepare, []

    def slow(job, **options):
        if job.model.name == "lenet5":
            asked.append(job)
            time.sleep(0.5)
            raise Refused("these weights cannot be had")
        return real(job, **options)

    monkeypatch.setattr(engine, "prepare", slow)
    app.model.model.value = "lenet5"
    until(lambda: asked)
    app.model.model.value = "digits-cnn"
    until(lambda: settled(app))
    assert app.state.error == ""
    assert app.state.current.job.model.name == "digits-cnn"


def test_rows_that_do_not_compare_are_not_drawn_together(app, store):
    app.recipe.forms["weight_bits"].on.value = True
    until(lambda: settled(app))
    app.tradeoff.save.click()
    until(lambda: app.state.saved)
    mine = app.state.saved[0]
    other = dataclasses.replace(mine, key="of-other-test-images")
    store.add(other, b"")
    app.engine.saved.reload()
    assert [row.key for row in app.state.saved] == [mine.key]
    app.engine.saved.remove(other.key)
    assert store.has(other.key), "only what is shown can be removed"


def test_a_restored_training_does_not_start_one(app):
    app.training.auto.value = True
    step = techniques.get("finetune")(epochs=0.5)
    app.state.put(recipe=Recipe((step,)))
    until(lambda: app.state.error)
    assert app.training.form.value == step
    assert not app.engine.training.running
    app.training.form.controls["epochs"].value = 1.0
    until(lambda: "done" in app.training.work.told.value)
    assert app.state.saved[0].job.recipe == Recipe((techniques.get("finetune")(epochs=1.0),))


def test_a_repeated_technique_is_named_and_kept(app):
    twice = Recipe((MAGNITUDE(ratio=0.3), BITS(bits=4), MAGNITUDE(ratio=0.6)))
    app.state.put(recipe=twice)
    assert "ratio 60 %" in app.recipe._extra.value
    app.recipe.forms["weight_bits"].controls["bits"].value = 3
    assert app.state.recipe == Recipe((MAGNITUDE(ratio=0.3), BITS(bits=3), MAGNITUDE(ratio=0.6)))


def test_a_model_whose_data_nobody_has_keeps_the_data_that_are_open(app):
    app.model.other.value = "torchvision:resnet18"
    until(lambda: app.state.error)
    assert app.state.data.name == "digits"
    assert "resnet18" in app.state.error
    app.model.model.value = "digits-cnn"
    until(lambda: settled(app))
    assert "torchvision:resnet18" not in app.model.model.options


def test_a_recipe_that_is_refused_leaves_no_number_to_save(app):
    app.recipe.text.value = Recipe((MAGNITUDE(layers={"nope": 0.5}),)).to_json()
    app.recipe.apply.click()
    until(lambda: settled(app))
    assert "nope" in app.state.error
    assert app.state.current is None
    assert app.tradeoff.save.disabled
    assert app.tradeoff.numbers.value == ""


def test_what_was_trained_before_shows_its_curves_again(app, store):
    panel = app.training
    panel.choice.value = "finetune"
    panel.control.value = False
    panel.form.controls["epochs"].value = 0.5
    panel.go.click()
    until(lambda: "done" in panel.work.told.value)
    heard = dict(panel._curves.points)
    assert "trained before" not in panel.outcome.value
    panel.go.click()
    until(lambda: "trained before: the curves" in panel.outcome.value and not panel.work.running)
    assert {name: len(points) for name, points in panel._curves.points.items()} == {
        name: len(points) for name, points in heard.items()
    }
    assert panel._plot.layout.display is None
    (row,) = app.state.saved
    store.add(dataclasses.replace(row, details={}))  # as an older workbench wrote it
    panel.go.click()
    until(lambda: "its curves were not kept" in panel.outcome.value and not panel.work.running)
    assert panel._plot.layout.display == "none"


def test_a_pasted_recipe_is_trained_as_it_is(app):
    pasted = Recipe((techniques.get("finetune")(epochs=0.5), BITS(bits=4)))
    app.state.put(recipe=pasted)
    until(lambda: "press Train" in app.state.error)
    app.training.go.click()
    until(lambda: "done" in app.training.work.told.value)
    until(lambda: settled(app) and not app.state.error)
    assert app.state.current.job.recipe == pasted


def test_values_of_layers_do_not_follow_to_a_model_without_them(app):
    app.state.put(recipe=Recipe((MAGNITUDE(layers={"fc1": 0.9}),)))
    until(lambda: settled(app))
    app.model.model.value = "digits-cnn"
    until(lambda: app.state.recipe == Recipe((MAGNITUDE(),)) and settled(app))
    assert app.state.error == ""
    assert app.state.current.job.model.name == "digits-cnn"


def test_a_checkpoint_can_be_named_in_a_notebook(tmp_path, store):
    from workbench.models._weights import shipped

    copy = tmp_path / "mine.safetensors"
    copy.write_bytes(shipped("digits-mlp").read_bytes())
    app = Workbench(ModelRef(name="digits-mlp", checkpoint=str(copy)), DataRef(name="digits"), store=store)
    until(lambda: settled(app))
    assert app.state.error == ""
    assert app.state.current.job.model.checkpoint == str(copy)


def test_another_axis_changes_plot_and_sentence(app):
    app.tradeoff.axis.value = "parameters"
    assert "17.2 k" in app.tradeoff._told.value
    assert app.tradeoff.figure.layout.xaxis.title.text == "Parameters"


def test_a_position_that_is_not_prepared_is_marked_until_it_is_solved(app):
    app.engine.meanwhile.cancel()
    rows = []
    app.state.observe(lambda change: rows.append(change.new), ["current"])
    app.state.put(recipe=Recipe((MAGNITUDE(ratio=0.975),)))
    until(lambda: settled(app))
    shown = [row for row in rows if row is not None and row.job == app.state.job]
    assert shown[0].provisional
    assert not shown[-1].provisional
    assert shown[-1].final
    assert not any(row.provisional or not row.final for row in app.state.trail)
    until(lambda: app.state.doing == "")


def test_what_stands_in_can_neither_be_saved_nor_taken_away(app):
    row = dataclasses.replace(app.state.current, provisional=("something else",), final=False)
    app.state.put(current=row, busy=True)
    assert app.tradeoff.save.disabled
    assert app.tradeoff.download.disabled
    app.tradeoff._save()
    app.tradeoff._deliver()
    assert app.engine.files.thread.started == 0


def test_the_line_about_prepared_positions_is_never_stale(app):
    app.state.put(ahead=Ahead(done=12, of=22, trace_bytes=6_000_000))
    assert "12 of 22 slider positions prepared, 6 MB" in app.recipe._ahead.value
    app.state.put(ahead=Ahead(done=22, of=22, trace_bytes=6_000_000))
    assert "Sliders prepared, 6 MB" in app.recipe._ahead.value
    assert ahead_text(Ahead(done=0, of=22, trace_bytes=0)) == "0 of 22 slider positions prepared"
    assert ahead_text(Ahead(done=22, of=22, trace_bytes=0)) == "", "nothing had to be prepared"
    app.state.put(recipe=Recipe((MAGNITUDE(layers={"nope": 0.5}),)))  # refused: nothing is prepared for it
    assert "prepared" not in app.recipe._ahead.value
    until(lambda: app.state.error)
    assert app.state.ahead is None


def test_a_move_in_the_moment_of_an_answer_stops_what_the_answer_begins(app, monkeypatch):
    refused = Recipe((MAGNITUDE(layers={"nope": 0.5}),))
    mover = threading.Thread(target=lambda: app.state.put(recipe=refused))
    submit = app.engine.meanwhile.thread.submit

    def late(task):
        if not mover.ident:
            mover.start()
            mover.join(0.5)
        submit(task)

    monkeypatch.setattr(app.engine.meanwhile.thread, "submit", late)
    app.state.put(recipe=Recipe((BITS(bits=8, method="nearest"),)))
    until(lambda: app.state.error)
    until(lambda: not app.engine.meanwhile.thread.running)
    assert app.state.ahead is None


def test_sliders_are_prepared_when_nobody_waits(app):
    app.state.put(recipe=Recipe((BITS(bits=4),)))
    until(lambda: "Sliders prepared" in app.recipe._ahead.value)
    rows = []
    app.state.observe(lambda change: rows.append(change.new), ["current"])
    app.state.put(recipe=Recipe((BITS(bits=3),)))
    until(lambda: settled(app))
    assert not [row.provisional for row in rows if row.provisional]


def test_the_contest_of_a_step_puts_the_method_that_is_used_into_the_recipe(app):
    recipe = Recipe((MAGNITUDE(ratio=0.6, scope="layer"), BITS(bits=3)))
    app.state.put(recipe=recipe)
    until(lambda: settled(app))
    panel = app.contest
    panel.opened.value = True
    assert [title for title, _ in panel.choice.options] == ["1. Weight pruning", "2. Weight bits"]
    panel.choice.value = 1
    panel.go.click()
    until(lambda: "done" in panel.work.told.value)
    assert panel.work.alert.value == ""
    options = next(field.spec.options for field in BITS.fields() if field.name == "method")
    assert {rival.step.method for rival in panel._info.rivals} == {*options} - {"auto"}
    assert [rival.role for rival in panel._info.rivals].count("auto") == 1
    assert [rival.role for rival in panel._info.rivals].count("control") == 1
    key = next(row["key"] for row in panel.table.rows if row["cells"][0]["text"].startswith("GPTQ"))
    panel.table._act(panel.table, {"action": "Use", "key": key}, [])
    assert app.state.recipe == Recipe((recipe.steps[0], BITS(bits=3, method="gptq")))
    assert panel.choice.value == 1


def test_a_contest_can_be_cancelled_and_a_newer_one_takes_its_place(app):
    panel = app.contest
    panel.opened.value = True
    app.state.put(recipe=Recipe((MAGNITUDE(ratio=0.6), BITS(bits=3))))
    panel.go.click()
    until(lambda: panel._entries)
    panel.work.stop.click()
    until(lambda: "cancelled" in panel.work.told.value, seconds=5)
    assert panel.work.stop.disabled
    panel.go.click()
    panel.choice.value = 1
    panel.go.click()
    until(lambda: "done" in panel.work.told.value)
    assert {entry.step.name for entry in panel._entries} == {"weight_bits"}


def test_a_contest_does_not_follow_to_another_model(app):
    panel = app.contest
    panel.opened.value = True
    assert panel._choose.layout.display == "none", "there is nothing to compare yet"
    app.state.put(recipe=Recipe((BITS(bits=3),)))
    panel.go.click()
    app.model.model.value = "digits-cnn"
    until(lambda: settled(app))
    assert panel._shown.layout.display == "none"
    assert panel.work.told.value == ""
    assert panel.work.stop.disabled


@pytest.mark.parametrize("key", ["", "99", "-1", "x"])
def test_a_row_that_is_not_there_changes_nothing(app, key):
    before = app.state.recipe
    app.contest.opened.value = True
    app.contest.table._act(app.contest.table, {"action": "Use", "key": key}, [])
    assert app.state.recipe == before


def test_pictures_are_made_only_while_somebody_looks(app):
    app.state.put(recipe=Recipe((MAGNITUDE(ratio=0.98),)))
    until(lambda: settled(app))
    assert (app.engine.pictures.thread.started, app.flips.built) == (0, False)
    app.flips.opened.value = True
    until(lambda: "<img" in app.flips.grid.value)
    flips = app.state.current.details["accuracy"]["flips"]
    assert app.flips.grid.value.count("<img") == len(flips)
    assert all(f"test image {flip['index']}, {flip['label']}:" in app.flips.grid.value for flip in flips)
    app.state.put(recipe=Recipe())
    until(lambda: settled(app))
    assert app.flips.grid.value == ""


def test_opening_a_panel_changes_nothing_that_others_show(app):
    recipe = Recipe((BITS(bits=8, layers={"fc3": 4}),))
    app.state.put(recipe=recipe, layer="fc2")
    until(lambda: settled(app))
    folded = [panel for panel in vars(app).values() if isinstance(panel, Panel) and panel.folded]
    assert len(folded) > 10
    for panel in folded:
        panel.opened.value = True
        assert (app.state.layer, app.state.recipe) == ("fc2", recipe), panel.title
    until(lambda: settled(app))
    assert (app.state.layer, app.state.recipe) == ("fc2", recipe)
