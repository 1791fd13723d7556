"""The panel of sensitivity: what it shows, by hand, and a real search that makes way for a slider."""

from __future__ import annotations

import math
import time

import pytest

from widgets.app import Workbench
from widgets.figures import sensitivity as figures
from widgets.panels.sensitivity import SensitivityPanel
from workbench.recipe import Recipe
from workbench.registry import techniques
from workbench.result import Estimate
from workbench.search.sensitivity import Sensitivity
from workbench.search.trial import Judgement

BITS, PRUNE = techniques.get("weight_bits"), techniques.get("magnitude")


def item(layer, value, drop=0.01, far=0.1, **changes):
    def measured(x, unit):
        return Estimate(value=x, low=x / 2, high=2 * x, how="measured", unit=unit, n=100)

    judged = Judgement(
        divergence=measured(far, "nats"), drop=measured(drop, "fraction"), accuracy=measured(0.9, "fraction")
    )
    known = {"judgement": judged, "score": 0.25, "saved_bytes": 1200}
    return Sensitivity(layer=layer, technique="weight_bits", value=value, **(known | changes))


IDLE = item("c", 2, judgement=None, why="weight bits <leaves> it", score=None)


def test_settings_run_from_the_mildest_to_the_harshest_and_layers_as_they_do():
    info = figures.sensitivity_info([item("b", 2), item("a", 4)], ("a", "b"), BITS)
    assert (info.layers, info.values, info.settings) == (("a", "b"), (4, 2), ("4 bits", "2 bits"))
    assert info.item("a", 2) is None
    assert figures.setting_text(PRUNE, 0.5) == "50 %"


def test_each_cell_says_its_number():
    assert figures.cell_text(item("a", 2, 0.0123), "drop") == "1.2"
    assert figures.cell_text(item("a", 2, -0.004), "drop") == "−0.4"
    assert figures.cell_text(item("a", 2, far=0.0123), "divergence") == "0.012"
    assert figures.cell_text(item("a", 2, far=0.0123, rough=True), "divergence") == "~0.012"
    assert figures.cell_text(item("a", 2, far=0.00002), "divergence") == "<0.0001"
    assert figures.cell_text(item("a", 2, far=math.inf), "divergence") == "broken"
    assert figures.cell_text(IDLE, "drop") == "–"
    assert figures.cell_text(None, "drop") == ""


def test_hover_texts_are_whole_and_hostile_names_are_text():
    said = figures.hover_text(item("<b>", 2, 0.01), "<b>", "2 bits")
    assert "<b>&lt;b&gt;</b>, 2 bits" in said
    assert "drop in accuracy: 1.0 ± 1.0 points" in said
    assert "0.1 nats (0.05 to 0.2)" in said
    assert "on 100 validation images" in said
    assert "weight bits &lt;leaves&gt; it" in figures.hover_text(IDLE, "c", "2 bits")
    assert "not measured yet" in figures.hover_text(None, "c", "2 bits")


def test_the_heat_map_has_gaps_where_nothing_is_known():
    info = figures.sensitivity_info([item("a", 2, 0.05, 0.1), item("b", 4), IDLE], ("a", "b", "c"), BITS)
    figure = figures.heat_figure(3)
    figures.draw_heat_(figure, info, "divergence", "b")
    (trace,) = figure.data
    assert [list(row) for row in trace.z] == [[None, -1.0], [-1.0, None], [None, None]]
    assert [list(row) for row in trace.text] == [["", "0.1"], ["0.1", ""], ["", "–"]]
    assert list(figure.layout.yaxis.ticktext) == ["a", "<b>▸ b</b>", "c"]
    figures.draw_heat_(figure, info, "drop", "")
    assert trace.z[0][1] == pytest.approx(5)
    assert trace.zmax == pytest.approx(5)


def test_curves_show_the_interval_of_the_layer_that_is_looked_at():
    info = figures.sensitivity_info([item("a", 2, 0.04), item("a", 4, 0.01), item("b", 2)], ("a", "b"), BITS)
    figure = figures.curves_figure()
    figures.draw_curves_(figure, info, "drop", "a")
    thin, strong = figure.data
    assert list(strong.y) == pytest.approx([1, 4])
    assert list(strong.error_y.array) == pytest.approx([1, 4])
    assert list(strong.error_y.arrayminus) == pytest.approx([0.5, 2])
    assert list(thin.y) == [None, pytest.approx(1), None]
    assert strong.name == "a"
    figures.draw_curves_(figure, info, "divergence", "a")
    assert list(strong.y) == pytest.approx([0.1, 0.1])
    assert list(strong.error_y.array) == pytest.approx([0.1, 0.1])
    assert figure.layout.yaxis.type == "log"


def test_a_broken_network_has_no_place_on_the_curve():
    info = figures.sensitivity_info([item("a", 2, far=math.inf), item("a", 4)], ("a",), BITS)
    figure = figures.curves_figure()
    figures.draw_curves_(figure, info, "divergence", "a")
    assert list(figure.data[1].y) == [pytest.approx(0.1), None]
    heat = figures.heat_figure(1)
    figures.draw_heat_(heat, info, "divergence", "a")
    assert heat.data[0].z[0][1] == pytest.approx(2), "the darkest there is"


def test_rows_have_the_score_beside_the_measurement():
    texts = [cell["text"] for cell in figures.row_cells(item("a", 2, 0.01, 0.1), "2 bits")]
    assert texts == ["a", "2 bits", "0.25", "0.1 (0.05 to 0.2)", "1.0 ± 1.0 points", "1,200 B"]
    assert [cell["sort"] for cell in figures.row_cells(IDLE, "2 bits")] == ["c", 2, None, None, None, None]


def until(condition, seconds=120.0):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.01)


@pytest.fixture
def app():
    made = Workbench("digits-mlp")
    until(lambda: not made.state.busy)
    yield made
    made.engine.sensing.cancel()


def test_a_search_fills_the_cells_and_a_layer_is_protected(app):
    panel = app.sensitivity
    assert not panel.opened.value
    panel.opened.value = True
    assert panel._shown.layout.display == "none"
    app.layers.opened.value = True
    panel.go.click()
    until(lambda: "done" in panel.work.told.value)
    assert panel.work.alert.value == ""
    assert len(panel.table.rows) == 9
    assert all(cell for row in panel.heat.data[0].text for cell in row)
    assert "Spearman" in panel.words.value
    panel._picked("fc2")
    assert app.state.layer == "fc2"
    assert app.layers.choice.value == "fc2", "other panels look at it too"
    panel.protect.click()
    assert app.state.recipe == Recipe((BITS(bits=32, layers={"fc2": 32}),))
    assert panel.protect.disabled
    panel.settings["weight_bits"].value = 4
    assert app.state.recipe == Recipe((BITS(bits=32, layers={"fc2": 4}),))
    until(lambda: not app.state.busy)
    assert app.state.current.job.recipe == app.state.recipe, "it is measured at once"
    panel.settings["weight_bits"].reset.click()
    assert app.state.recipe == Recipe()


def test_a_slider_interrupts_the_search_which_goes_on(app):
    panel = app.sensitivity
    panel.opened.value = True
    panel.choice.value = "magnitude"
    panel.go.click()
    until(lambda: panel._items.get("magnitude"))
    app.state.put(recipe=Recipe((BITS(bits=8, method="nearest"),)))
    assert app.engine.sensing._paused
    assert panel.work.running, "it is interrupted, not over"
    until(lambda: not app.state.busy)
    until(lambda: "done" in panel.work.told.value)
    assert len(panel.table.rows) == 9


def test_cancel_keeps_what_was_measured_and_another_network_forgets_it(app):
    panel = app.sensitivity
    panel.opened.value = True
    panel.choice.value = "magnitude"
    panel.go.click()
    until(lambda: panel._items.get("magnitude"))
    panel.work.stop.click()
    until(lambda: not panel.work.running)
    assert "cancelled" in panel.work.told.value or "done" in panel.work.told.value
    assert panel.table.rows
    app.state.put(seed=1)
    assert panel._items == {}
    assert panel._shown.layout.display == "none"


def test_cancel_ends_a_search_that_is_paused(app):
    panel = app.sensitivity
    panel.opened.value = True
    panel.go.click()
    with app.state.lock:
        app.engine.sensing.pause()
        app.engine.sensing.cancel()
    until(lambda: not panel.work.running)
    app.engine.sensing.resume()
    assert not app.engine.sensing._thread.running


def test_the_panel_works_alone():
    panel = SensitivityPanel()
    panel.opened.value = True
    until(lambda: panel.state.layers)
    assert tuple(panel.layer.options) == panel.state.layers
    assert [name for _, name in panel.choice.options] == ["channels", "low_rank", "magnitude", "weight_bits"]
    until(lambda: not panel.state.busy)
