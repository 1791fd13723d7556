"""The graph and its table: plain rows, and the panel without a browser."""

from __future__ import annotations

import dataclasses
import json
import time

import pytest

from widgets.app import Workbench
from widgets.figures.layer_table import columns, rows
from widgets.panels.graph import BASE, COMPRESSED, GraphPanel
from widgets.state import AppState
from workbench.errors import Refused
from workbench.recipe import Recipe
from workbench.registry import techniques
from workbench.result import DataRef, Estimate, Job, ModelRef
from workbench.run import layer_view
from workbench.store import Store

BITS = techniques.get("weight_bits")
LOW_RANK = techniques.get("low_rank")


@pytest.fixture(scope="module")
def view():
    steps = (BITS(bits=4, method="nearest"),)
    return layer_view(Job(model=ModelRef(name="digits-cnn"), data=DataRef(name="digits"), recipe=Recipe(steps)))


# the table


def test_rows_follow_the_layers_and_bars_the_largest(view):
    found = rows(view)
    assert [row["key"] for row in found] == [row.name for row in view.rows]
    sizes = [row["cells"][1] for row in found]
    assert [cell["sort"] for cell in sizes] == [row.now.size_bytes for row in view.rows]
    largest = max(row.now.size_bytes for row in view.rows)
    assert [cell["bar"] for cell in sizes] == [row.now.size_bytes / largest for row in view.rows]
    assert {cell["text"] for row in found for cell in row["cells"][3:4]} == {"4"}
    assert {cell["bar"] for row in found for cell in row["cells"][3:4]} == {4 / 32}
    json.dumps(found, allow_nan=False)


def test_every_row_has_a_cell_for_each_heading(view):
    time = Estimate(value=0.2, low=0.1, high=0.3, how="measured", unit="ms")
    for times in (None, {"conv1": time}):
        assert {len(row["cells"]) for row in rows(view, times)} == {len(columns(times))}


def test_times_have_a_column_only_where_there_are_some(view):
    assert "ms" not in [column["title"] for column in columns(None)]
    times = {
        "conv1": Estimate(value=0.2, low=0.1, high=0.3, how="measured", unit="ms"),
        "conv2": Estimate(value=0.8, low=0.7, high=0.9, how="measured", unit="ms"),
    }
    at = [column["title"] for column in columns(times)].index("ms")
    first, second, third, _ = (row["cells"][at] for row in rows(view, times))
    assert (first["text"], first["bar"]) == ("0.2", 0.25)
    assert second["bar"] == 1
    assert (third["text"], third["sort"]) == ("–", None)
    assert "measured, 95 %: 0.1 ms to 0.3 ms" in first["hint"]


def test_no_error_sorts_last_and_says_why(view):
    row = dataclasses.replace(view.rows[0], error=None, reason="it has 3 outputs, and 4 in the original")
    cell = rows(dataclasses.replace(view, rows=(row,)))[0]["cells"][-1]
    assert cell == {"text": "–", "sort": None, "hint": "it has 3 outputs, and 4 in the original"}


def test_nothing_known_is_no_rows():
    assert rows(None) == []


# the panel


def until(condition, seconds=60.0):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.01)


@pytest.fixture
def app(tmp_path):
    store = Store(tmp_path / "results.sqlite3")
    made = Workbench("digits-cnn", store=store)
    made.state.page._handle_custom_msg({"shown": True}, [])  # as a page does that opens
    until(lambda: settled(made))
    yield made
    store.close()


def settled(app):
    state = app.state
    return not state.busy and (state.error or (state.current and state.current.job == state.job))


def shown(app):
    with app.state.lock:
        state = app.state
        fresh = [found is not None and found.job == state.job for found in (state.drawing, state.layer_view)]
        return settled(app) and all(fresh)


def test_nothing_is_drawn_while_it_is_folded(app):
    app.recipe.forms["weight_bits"].on.value = True
    until(lambda: settled(app) and app.state.ahead is not None)
    assert app.state.drawing is None
    assert not app.graph.built


def test_open_it_follows_the_final_rows(app):
    app.graph.opened.value = True
    until(lambda: shown(app))
    original = app.graph.frames[COMPRESSED].data
    assert original == app.state.drawing.base.content
    assert "13 operators." in app.graph.told.value
    app.state.put(recipe=Recipe((LOW_RANK(),)))
    until(lambda: shown(app))
    assert app.graph.frames[COMPRESSED].data == app.state.drawing.compressed.content != original
    assert "16 operators; the original has 13." in app.graph.told.value
    assert [row["key"] for row in app.graph.table.rows][:3] == ["conv1", "conv2.0", "conv2.1"]
    assert len(app.graph.frames[COMPRESSED].data) < 200_000


def test_only_what_is_shown_is_sent(app):
    app.graph.opened.value = True
    until(lambda: shown(app))
    assert app.graph.frames[BASE].data == b""
    assert app.graph._sheets[BASE].layout.display == "none"
    app.graph.sides.value = (BASE, COMPRESSED)
    assert app.graph.frames[BASE].data == app.state.drawing.base.content
    assert app.graph._sheets[BASE].layout.display is None


def test_rows_and_nodes_mark_each_other_and_the_layers_panel(app):
    app.graph.opened.value = app.layers.opened.value = True
    until(lambda: shown(app))
    panel = app.graph
    assert panel.table.selected == panel.frames[COMPRESSED].selected == app.layers.choice.value == "conv1"
    panel.table._act(panel.table, {"picked": "conv2"}, [])
    assert panel.frames[COMPRESSED].selected == panel.frames[BASE].selected == app.layers.choice.value == "conv2"
    panel.frames[BASE]._hear(None, {"picked": "linear"}, [])
    assert panel.table.selected == panel.frames[COMPRESSED].selected == app.layers.choice.value == "linear"
    app.layers.choice.value = "conv3"
    assert panel.table.selected == panel.frames[COMPRESSED].selected == "conv3"


def test_a_node_without_weights_has_no_row(app):
    app.graph.opened.value = True
    until(lambda: shown(app))
    panel = app.graph
    panel.frames[COMPRESSED]._hear(None, {"picked": "relu2"}, [])
    assert panel.table.selected == ""
    assert panel.frames[BASE].selected == panel.frames[COMPRESSED].selected == "relu2"
    panel.table._act(panel.table, {"picked": "conv1"}, [])
    assert panel.table.selected == panel.frames[COMPRESSED].selected == "conv1", "also the row that was marked before"


def test_factors_are_one_layer_in_the_original(app):
    app.graph.opened.value = True
    app.state.put(recipe=Recipe((LOW_RANK(),)))
    until(lambda: shown(app))
    panel = app.graph
    panel.table._act(panel.table, {"picked": "conv2.1"}, [])
    assert (panel.frames[BASE].selected, panel.frames[COMPRESSED].selected) == ("conv2", "conv2.1")
    panel.frames[BASE]._hear(None, {"picked": "conv3"}, [])
    assert (panel.table.selected, panel.frames[COMPRESSED].selected) == ("conv3.0", "conv3.0")
    assert panel.frames[BASE].selected == "conv3"


def test_what_cannot_be_drawn_is_said_and_the_table_stays(app, monkeypatch):
    def refuse(job, **options):
        raise Refused("this network runs too many operators")

    monkeypatch.setattr("widgets.bridge.graph.drawn", refuse)
    app.graph.opened.value = True
    until(lambda: app.state.drawing_error and app.state.layer_view is not None)
    assert "this network runs too many operators" in app.graph.told.value
    assert app.graph._sheets[COMPRESSED].layout.display == "none"
    assert len(app.graph.table.rows) == 4


def test_it_works_alone():
    panel = GraphPanel(AppState("digits-mlp"))
    panel.opened.value = True
    until(lambda: panel.state.drawing is not None and panel.state.layer_view is not None)
    until(lambda: len(panel.table.rows) == 3)
    assert panel.frames[COMPRESSED].data
