"""The layer view without a browser: what is drawn, and settings of one layer set and taken back."""

from __future__ import annotations

import time
from types import SimpleNamespace

import pytest

from widgets.app import Workbench
from widgets.figures import layers as bars
from widgets.figures import weights
from widgets.figures.layers import BITS as BITS_COLUMN
from widgets.figures.layers import ERROR, SIZE, ZEROS, facts_of, layers_figure, layers_info
from widgets.figures.weights import weights_figure, weights_info
from widgets.panels._own_setting import own_layers, with_own
from widgets.panels.layers import LayersPanel, table_html
from widgets.state import AppState
from workbench.layerwise.histogram import WeightHistogram
from workbench.layerwise.rows import LayerFacts, LayerRow, LayerView
from workbench.recipe import Recipe, overridable
from workbench.registry import techniques
from workbench.result import DataRef, Estimate, Job, ModelRef
from workbench.run import layer_view
from workbench.store import Store

MAGNITUDE, BITS = techniques.get("magnitude"), techniques.get("weight_bits")
JOB = Job(model=ModelRef(name="digits-mlp"), data=DataRef(name="digits"))


def until(condition, seconds=60.0):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.005)


def histogram(**changes):
    usual = {"unit": "weight", "edges": (-1.5, -0.5, 0.5, 1.5), "before": (3, 4, 3), "after": (1, 8, 1)}
    return WeightHistogram(**(usual | {"points": (-1, 0, 1), "counted": 10, "zeros": 8} | changes))


def row(name="conv", **changes):
    before = LayerFacts(parameters=10, size_bytes=40, sparsity=0.0, bits=32, macs=640)
    now = LayerFacts(parameters=10, size_bytes=8, sparsity=0.8, bits=4, macs=640)
    error = Estimate(value=0.02, low=0.01, high=0.04, how="measured", n=64)
    usual = {"kind": "Conv2d 3x3", "shape": (1, 1, 3, 3), "now": now, "before": before, "error": error, "reason": ""}
    return LayerRow(**(usual | {"name": name, "weights": histogram()} | changes))


def view(*rows):
    return LayerView(job=JOB, rows=rows, images=64)


# what is drawn


def test_bars_say_what_a_layer_is_and_what_it_was():
    info = layers_info(view(row("a"), row("b", error=None, reason="it is new")), own=("b",))
    assert info.names == ("a", "b")
    assert info.labels == ("a", "b ●")
    size, zeros, bits, error = (info.columns[title][0] for title in (SIZE, ZEROS, BITS_COLUMN, ERROR))
    assert (size.value, size.before, size.text) == (8, 40, "8 B")
    assert (zeros.value, zeros.before, zeros.text) == (0.8, 0.0, "80 %")
    assert (bits.value, bits.before, bits.text) == (4, 32, "4")
    assert (error.value, error.low, error.high, error.text) == (0.02, 0.01, 0.04, "2.0 %")
    assert info.columns[ERROR][1].value is None


def test_no_error_without_its_interval_its_images_or_its_reason():
    assert "2.0 % (95 %: 1.0 to 4.0 %), measured on 64 images" in facts_of(row())[-1]
    assert "none, because it has 4 outputs" in facts_of(row(error=None, reason="it has 4 outputs"))[-1]
    assert "40 B in the original" in facts_of(row())[1]
    assert "original" not in facts_of(row(before=None))[1]


def test_names_from_anybody_are_shown_as_text():
    evil = row("<img src=x>")
    assert "<img" not in "".join(facts_of(evil))
    info = layers_info(view(evil))
    assert "<img" not in "".join((*info.labels, *info.hover, table_html(info)))


def test_long_names_keep_their_end():
    (label,) = layers_info(view(row("features.18.block.conv.depthwise.2"))).labels
    assert label.startswith("…")
    assert label.endswith("depthwise.2")
    assert len(label) == 24


def test_the_figure_holds_what_the_info_says():
    figure = layers_figure(layers_info(view(row("a"), row("b"), row("c")), own=("b",)), "c")
    sizes = {trace.name: trace for trace in figure.data}
    assert list(sizes[SIZE].x) == [8, 8, 8]
    assert list(sizes[f"{SIZE}: original"].x) == [40, 40, 40]
    assert list(sizes[ERROR].error_x.array) == pytest.approx([0.02] * 3)
    assert list(sizes[ERROR].error_x.arrayminus) == pytest.approx([0.01] * 3)
    colors = sizes[SIZE].marker.color
    assert colors[0] == colors[2] != colors[1]
    rows = [trace for trace in figure.data if trace.name == "layers"]
    assert len(rows) == 4, "a click anywhere in a row is a click on its layer"
    assert len({*rows[0].marker.color}) == 2
    assert rows[0].marker.color[0] == rows[0].marker.color[1] != rows[0].marker.color[2]
    assert list(figure.layout.yaxis.ticktext) == ["a", "b ●", "c"]
    assert figure.layout.yaxis.range == (2.5, -0.5), "the first layer is at the top"
    assert figure.layout.height > 3 * bars.ROW_PIXELS


def test_a_view_of_nothing_can_be_drawn():
    figure = layers_figure(layers_info(None))
    assert list(figure.data[0].x) == []
    chart = weights_figure()
    weights.draw_(chart, weights_info(None))
    assert list(chart.data[1].x) == []


def test_the_histogram_has_bars_outline_and_grid():
    info = weights_info(histogram(after=(3, 4, 3), zeros=4))
    assert info.middles == (-1, 0, 1)
    assert info.outline == ((-1.5, 0), (-1.5, 3), (-0.5, 3), (-0.5, 4), (0.5, 4), (0.5, 3), (1.5, 3), (1.5, 0))
    assert (info.cut, info.top) == ("", pytest.approx(4.4))
    assert "10 weights, 40.0 % of them zero, on a grid of 3 values" in info.words
    figure = weights_figure()
    weights.draw_(figure, info)
    grid, now, original = figure.data
    assert list(grid.x) == [-1, -1, None, 0, 0, None, 1, 1, None]
    assert list(now.y) == [3, 4, 3]
    assert original.x[0] == -1.5


def test_a_bar_of_zeros_that_hides_all_others_is_cut_and_says_so():
    info = weights_info(histogram(after=(1, 80, 1), counted=82, zeros=80))
    assert info.top == pytest.approx(4.4)
    assert info.cut == "97.6 % are zero"
    figure = weights_figure()
    weights.draw_(figure, info)
    assert figure.layout.annotations[0].text == "97.6 % are zero"
    weights.draw_(figure, weights_info(histogram(after=(3, 4, 3))))
    assert len(figure.layout.annotations) == 0


def test_a_fine_grid_is_drawn_as_ticks():
    info = weights_info(histogram(points=tuple(n / 200 for n in range(200))))
    assert info.point_top < info.top / 10


def test_without_an_original_there_is_no_outline():
    info = weights_info(histogram(before=()))
    assert info.outline == ()
    assert "original" not in info.words


# settings of one layer


def test_pruning_and_bits_can_be_set_for_one_layer():
    assert [technique.name for technique in overridable()] == ["channels", "low_rank", "magnitude", "weight_bits"]
    panel = LayersPanel()
    panel.opened.value = True
    assert list(panel.settings) == ["magnitude", "weight_bits"], "those that leave the layer to look at"


def test_a_technique_comes_in_for_one_layer_and_leaves_with_the_last():
    once = with_own(Recipe(), BITS, "fc1", 3)
    assert once == Recipe((BITS(bits=32, layers={"fc1": 3}),))
    twice = with_own(once, MAGNITUDE, "fc2", 0.7)
    assert twice == Recipe((MAGNITUDE(ratio=0, layers={"fc2": 0.7}), BITS(bits=32, layers={"fc1": 3})))
    assert own_layers(twice) == {"fc1", "fc2"}
    assert with_own(twice, BITS, "fc1", None) == Recipe((MAGNITUDE(ratio=0, layers={"fc2": 0.7}),))
    assert with_own(with_own(twice, BITS, "fc1", None), MAGNITUDE, "fc2", None) == Recipe()
    assert with_own(Recipe(), BITS, "fc1", None) == Recipe()


def test_the_general_setting_stays_and_so_do_other_layers():
    recipe = Recipe((MAGNITUDE(ratio=0.5, layers={"fc1": 0.1}), BITS(bits=4)))
    changed = with_own(recipe, MAGNITUDE, "fc2", 0.9)
    assert changed == Recipe((MAGNITUDE(ratio=0.5, layers={"fc1": 0.1, "fc2": 0.9}), BITS(bits=4)))
    back = with_own(changed, MAGNITUDE, "fc2", None)
    assert back == recipe
    assert with_own(back, MAGNITUDE, "fc1", None) == Recipe((MAGNITUDE(ratio=0.5), BITS(bits=4)))


def test_only_the_first_of_two_steps_changes_and_training_leaves():
    tune = techniques.get("finetune")(epochs=1)
    recipe = Recipe((BITS(bits=4), tune, BITS(bits=2)))
    assert with_own(recipe, BITS, "fc1", 8) == Recipe((BITS(bits=4, layers={"fc1": 8}), BITS(bits=2)))


# the panel


@pytest.fixture
def app(tmp_path):
    store = Store(tmp_path / "results.sqlite3")
    made = Workbench("digits-mlp", store=store)
    made.state.page._handle_custom_msg({"shown": True}, [])  # as a page does that opens
    until(lambda: settled(made))
    yield made
    store.close()


def settled(app):
    state = app.state
    return not state.busy and (state.error or (state.current and state.current.job == state.job))


def viewed(app):
    with app.state.lock:  # whoever publishes a view draws it before letting go
        return settled(app) and app.state.layer_view is not None and app.state.layer_view.job == app.state.job


def test_nothing_is_computed_while_it_is_folded(app):
    app.recipe.forms["weight_bits"].on.value = True
    until(lambda: settled(app) and app.state.ahead is not None)
    assert app.state.layer_view is None


def test_open_it_follows_the_sliders(app):
    app.layers.opened.value = True
    until(lambda: viewed(app))
    assert app.state.layer_view.rows == layer_view(app.state.job).rows
    form = app.recipe.forms["weight_bits"]
    form.on.value = True
    form.controls["bits"].value = 3
    until(lambda: viewed(app) and app.state.recipe == Recipe((BITS(bits=3),)))
    bits = next(trace for trace in app.layers.figure.data if trace.name == BITS_COLUMN)
    assert list(bits.x) == [3, 3, 3]
    page = next(data for data in app.layers.figure._widget_data if data["name"] == BITS_COLUMN)
    assert list(page["x"]) == [3, 3, 3], "a page that opens now gets the same"
    assert "3 layers of weight bits (bits 3); errors on 64 calibration images." in app.layers.told.value
    assert "fc2" in app.layers.table.value
    assert "on a grid of" in app.layers.words.value


def test_a_layer_gets_settings_of_its_own_and_gives_them_back(app):
    app.layers.opened.value = True
    until(lambda: viewed(app))
    app.layers.choice.value = "fc2"
    ratio = app.layers.settings["magnitude"]
    assert "is off" in ratio._told.value
    ratio.control.value = 0.8
    assert app.state.recipe == Recipe((MAGNITUDE(ratio=0, layers={"fc2": 0.8}),))
    assert app.recipe.forms["magnitude"].value == MAGNITUDE(ratio=0, layers={"fc2": 0.8})
    until(lambda: viewed(app))
    zeros = next(trace for trace in app.layers.figure.data if trace.name == ZEROS)
    assert zeros.x[1] == pytest.approx(0.8, abs=0.01)
    assert list(app.layers.figure.layout.yaxis.ticktext) == ["fc1", "fc2 ●", "fc3"]
    assert "a setting of its own" in ratio._told.value
    app.layers.choice.value = "fc1"
    assert (ratio.value, ratio.control.value) == (None, 0)
    assert app.state.recipe == Recipe((MAGNITUDE(ratio=0, layers={"fc2": 0.8}),)), "looking changes nothing"
    app.layers.choice.value = "fc2"
    assert ratio.control.value == 0.8
    ratio.reset.click()
    assert app.state.recipe == Recipe()
    assert "is off" in ratio._told.value


def test_a_recipe_that_changes_elsewhere_comes_back_into_the_sliders(app):
    app.layers.opened.value = True
    app.layers.choice.value = "fc3"
    app.state.put(recipe=Recipe((BITS(bits=4, layers={"fc3": 8}),)))
    setting = app.layers.settings["weight_bits"]
    assert (setting.value, setting.control.value) == (8, 8)
    assert setting.reset.description == "Follow the general setting (4)"
    app.state.put(recipe=Recipe((BITS(bits=5),)))
    assert (setting.value, setting.control.value) == (None, 5)
    assert "follows the general setting" in setting._told.value


def test_a_click_on_a_row_picks_its_layer(app):
    app.layers.opened.value = True
    until(lambda: viewed(app))
    app.layers._clicked(None, SimpleNamespace(point_inds=[2]), None)
    assert app.layers.choice.value == "fc3"
    app.layers._clicked(None, SimpleNamespace(point_inds=[]), None)
    app.layers._clicked(None, SimpleNamespace(point_inds=[99]), None)
    assert app.layers.choice.value == "fc3"


def test_another_model_has_other_layers(app):
    app.layers.opened.value = True
    until(lambda: viewed(app))
    app.model.model.value = "digits-cnn"
    until(lambda: viewed(app) and len(app.state.layer_view.rows) == 4)
    assert tuple(app.layers.choice.options) == tuple(row.name for row in app.state.layer_view.rows)
    assert app.layers.choice.value in app.layers.choice.options


def test_a_training_is_never_started_by_looking(app):
    step = techniques.get("finetune")(epochs=0.5)
    app.layers.opened.value = True
    app.state.put(recipe=Recipe((step,)))
    until(lambda: app.state.error)
    app.training.form.value = step
    app.training.choice.value = "finetune"
    app.training.control.value = False
    app.training.go.click()
    until(lambda: "done" in app.training.work.told.value and viewed(app))
    assert [row.now.bits for row in app.state.layer_view.rows] == [32, 32, 32]
    assert max(row.error.value for row in app.state.layer_view.rows) > 0


def test_it_works_alone():
    panel = LayersPanel(AppState("digits-mlp"))
    panel.opened.value = True
    until(lambda: panel.state.layer_view is not None)
    assert panel.choice.options == ("fc1", "fc2", "fc3")
