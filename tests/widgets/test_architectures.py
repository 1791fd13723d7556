"""The panel of architectures without a browser: what it asks, what it draws, and a network that is used."""

from __future__ import annotations

import time
from types import SimpleNamespace

import pytest

from widgets.app import Workbench
from widgets.figures.architectures import architectures_info
from widgets.panels._allowed import AllowedForm
from workbench.models import _weights
from workbench.models._load import build
from workbench.registry import spaces
from workbench.result import DataRef, Estimate, ModelRef
from workbench.search import nas
from workbench.search.candidate import Candidate
from workbench.search.judging import Verdict
from workbench.search.nas_plan import Plan

SPACE = spaces.get("digits-space")
PLAN = Plan(space="digits-space", data=DataRef(name="digits"), objective="parameters")


def known(point, report):
    right = tuple(number < 40 + 3 * point.width for number in range(100))
    accuracy = Estimate(value=sum(right) / 100, low=0.4, high=0.9, n=100, how="measured", unit="fraction")
    return Verdict(right=right, accuracy=accuracy, cross_entropy=Estimate.counted(1.0))


def until(condition, seconds=90.0):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.01)


@pytest.fixture
def app(monkeypatch, tmp_path):
    monkeypatch.setenv("WORKBENCH_HOME", str(tmp_path))
    monkeypatch.setattr(nas, "_judge", lambda *_: known)
    made = Workbench("digits-mlp")
    until(lambda: not made.state.busy)
    yield made
    made.engine.architectures.cancel()


def test_the_form_follows_the_fields_of_the_space():
    form = AllowedForm(SPACE)
    assert form.value["kernel"] == (3, 5)
    form.controls["kernel"].boxes[5].value = False
    form.controls["width"].slider.value = (8, 12)
    assert form.value == {
        "depth": (1, 2, 3),
        "width": (8, 12),
        "growth": (1, 2),
        "kernel": (3,),
        "expansion": (1, 2, 3),
        "resolution": (4, 8),
    }


def candidate(arm, width, hits, size):
    accuracy = Estimate(value=hits / 4, low=0.1, high=0.9, n=4, how="measured", unit="fraction")
    costs = {"parameters": Estimate.counted(size)}
    return Candidate(
        point=SPACE(width=width),
        arm=arm,
        number=1,
        estimates={**costs, "accuracy": accuracy, "cross_entropy": Estimate.counted(1.0)},
        right=tuple(number < hits for number in range(4)),
    )


def test_the_picture_by_hand():
    rows = [candidate("search", 8, 3, 100), candidate("control", 12, 2, 200), candidate("control", 16, 4, 400)]
    info = architectures_info(PLAN, rows)
    assert info.title == "Parameters"
    assert [(point.x, point.y) for point in info.front] == [(100, 0.75), (400, 1.0)]
    assert [point.arm for point in info.points] == ["search", "control", "control"]
    assert "random (control), network 1" in info.arm("control")[0].text
    assert "validation accuracy 75.0 % (95 %: 10.0 to 90.0 %), measured on 4" in info.points[0].text


def test_a_search_fills_the_plot_and_a_click_picks(app):
    panel = app.architectures
    panel.opened.value = True
    panel.objective.value = "parameters"
    panel.trials.value = 4
    panel.go.click()
    until(lambda: "done" in panel.work.told.value)
    assert "8 networks judged" in panel._told.value
    assert len(panel.pick.options) == len(panel._info.points)
    by_name = {trace.name: trace for trace in panel.figure.data}
    assert len(by_name["search"].x) == len(by_name["random (control)"].x) == 4
    assert by_name["search"].marker.symbol != by_name["random (control)"].marker.symbol
    wanted = by_name["random (control)"].customdata[2]
    panel._clicked(by_name["random (control)"], SimpleNamespace(point_inds=[2]), None)
    assert panel.pick.value == wanted
    ring = next(trace for trace in panel.figure.data if trace.name == "picked")
    assert tuple(ring.x) == (by_name["random (control)"].x[2],)


def test_a_network_is_trained_kept_and_used(app, monkeypatch):
    def trained(name, data, seed, report):
        network = build(name, 10)
        return network

    monkeypatch.setattr("workbench.models._train.train", trained)
    panel = app.architectures
    panel.opened.value = True
    panel.objective.value, panel.trials.value = "parameters", 4
    panel.go.click()
    until(lambda: "done" in panel.work.told.value)
    name = panel.pick.value
    panel.use.click()
    until(lambda: app.state.model == ModelRef(name=name) or panel.work.alert.value, 300)
    assert panel.work.alert.value == ""
    until(lambda: not app.state.busy)
    assert app.state.error == ""
    assert "stage1.0.conv.expand" in app.state.layers
    assert app.model.model.value == name
    app.model.model.value = "digits-mlp"
    assert name in app.model.model.options, "it stays in the list"
    assert _weights.kept() == (name,)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda panel: setattr(panel.most, "value", "few"), "the limit must be a number such as 20000, or nothing"),
        (lambda panel: setattr(panel.most, "value", "-3"), "a limit must be a number above 0"),
        (lambda panel: setattr(panel.objective, "value", "latency_ms"), "latency_ms is a matter of a device"),
        (
            lambda panel: [
                setattr(box, "value", False) for box in panel.forms["digits-space"].controls["kernel"].boxes.values()
            ],
            "kernel has no value left, so the space is empty",
        ),
    ],
)
def test_what_cannot_be_asked_is_said_in_the_panel(app, change, words):
    panel = app.architectures
    panel.opened.value = True
    change(panel)
    panel.go.click()
    assert words in panel.work.alert.value
    assert not panel.work.running


def test_cancel_keeps_what_was_tried(app, monkeypatch):
    def slow(point, report):
        time.sleep(0.2)
        return known(point, report)

    monkeypatch.setattr(nas, "_judge", lambda *_: slow)
    panel = app.architectures
    panel.opened.value = True
    panel.trials.value = 64
    panel.go.click()
    until(lambda: panel._info.points)
    panel.work.stop.click()
    until(lambda: "cancelled" in panel.work.told.value)
    assert panel._info.points
    assert not panel.go.disabled
    assert not panel.use.disabled
