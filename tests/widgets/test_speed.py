"""The panel of speed: what it says of a measurement, by hand, and one real measurement from button to table."""

from __future__ import annotations

import time

import pytest

from widgets.app import Workbench
from widgets.panels.speed import about, findings_html, lane_cells, layer_rows, verdict
from workbench.checkup import Checkup
from workbench.diagnosing import Finding
from workbench.recipe import Recipe
from workbench.registry import techniques
from workbench.result import DataRef, Estimate, Job, ModelRef
from workbench.timing.speed import Lane, LayerTime, Speed


def ms(value, low=None, high=None, unit="ms"):
    return Estimate(value=value, low=low or value, high=high or value, how="measured", unit=unit, n=20)


def lane(faster, low, high):
    return Lane(name="torch", base=ms(2.0), now=ms(1.0), faster=ms(faster, low, high, "ratio"))


def speed(*lanes, noisy=False):
    layers = {
        "conv1": LayerTime(base=ms(1.0), now=ms(0.6)),
        "fc": LayerTime(base=ms(0.4), now=None),
        "": LayerTime(base=ms(0.3), now=ms(0.2)),
    }
    return Speed(batch=8, threads=1, lanes=lanes, layers=layers, noise=1.1, noisy=noisy)


@pytest.mark.parametrize(
    ("found", "noisy", "words"),
    [
        (lane(2.0, 1.9, 2.1), False, "faster"),
        (lane(0.5, 0.4, 0.6), False, "slower"),
        (lane(1.1, 0.9, 1.3), False, "no difference that could be measured"),
        (lane(2.0, 1.9, 2.1), True, "too noisy to tell"),
    ],
)
def test_words_follow_the_interval(found, noisy, words):
    assert verdict(found, speed(found, noisy=noisy)) == words


def test_times_are_shown_with_their_intervals():
    found = lane(2.0, 1.9, 2.1)
    texts = [cell["text"] for cell in lane_cells(found, speed(found))]
    assert texts == ["torch, float32", "2 ms (2 to 2)", "1 ms (1 to 1)", "2.00 (1.90 to 2.10)", "faster"]


def test_layers_have_their_share_and_one_that_is_gone_has_no_time():
    rows = {row["cells"][0]["text"]: row["cells"] for row in layer_rows(speed())}
    assert rows["conv1"][3] == {"text": "75.0 %", "sort": pytest.approx(0.75), "bar": pytest.approx(0.75)}
    assert rows["fc"][2]["text"] == "–"
    assert rows["between layers"][2]["text"] == "0.2 ms"


def test_findings_are_in_order_and_hostile_names_are_text():
    finding = Finding(
        reason="zeros", title="Zeros", sentence="<script> has zeros", advice="do", ms=ms(0.5, 0.1, 0.9), layers=()
    )
    page = findings_html((finding,))
    assert "<script>" not in page
    assert "about 0.5 ms (0.1 to 0.9, measured)" in page
    assert "Nothing that the doctor knows" in findings_html(())


def test_a_noisy_computer_is_said_first():
    job = Job(model=ModelRef(name="digits-mlp"), data=DataRef(name="digits"))
    found = Checkup(job=job, against=job, speed=speed(noisy=True), findings=(), notes=("<b>left out",))
    assert "too busy to tell" in about(found)
    assert "&lt;b&gt;left out" in about(found)
    assert "8 images at a time, 1 thread" in about(found)


def until(condition, seconds=90.0):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.01)


@pytest.fixture
def app():
    made = Workbench("digits-mlp", recipe=Recipe((techniques.get("weight_bits")(bits=8, method="nearest"),)))
    until(lambda: not made.state.busy)
    yield made
    made.engine.speed.cancel()


def test_a_measurement_fills_the_tables_and_the_layer_times(app):
    panel = app.speed
    panel.opened.value = True
    assert not panel.go.disabled
    panel.opened.value = True
    panel.go.click()
    until(lambda: "done" in panel.work.told.value)
    assert panel.work.alert.value == ""
    names = [row["key"] for row in panel.lanes.rows]
    assert names == ["torch", "onnx", "onnx-int8"]
    assert "torch computes in float32" in panel.findings.value
    assert set(app.state.layer_times) >= {"fc1", "fc2", "fc3"}
    app.state.put(recipe=Recipe())
    assert app.state.layer_times is None, "times of another network are not shown"
    assert "dsw-stale" in panel._shown._dom_classes


def test_a_move_stops_a_measurement(app):
    panel = app.speed
    panel.opened.value = True
    panel.go.click()
    until(lambda: "timing" in panel.work.told.value or "export" in panel.work.told.value)
    app.state.put(recipe=Recipe())
    until(lambda: "cancelled" in panel.work.told.value)
    assert panel.work.stop.disabled
