"""The panel of devices without a browser: it follows the sliders, and says what does not run."""

from __future__ import annotations

import time
from dataclasses import replace

import pytest

from widgets.app import Workbench
from widgets.figures.devices import FITS, NOT, devices_figure, devices_info, draw_, milliseconds
from widgets.panels.devices import facts_html, row, told, verdict
from workbench.devices.footprint import grams_per_million
from workbench.devices.outlook import Outlook, outlook
from workbench.devices.roofline import Fit
from workbench.errors import Refused
from workbench.recipe import Recipe
from workbench.registry import techniques
from workbench.result import DataRef, Job, ModelRef, Result
from workbench.run import run
from workbench.store import Store

JOB = Job(model=ModelRef(name="digits-mlp"), data=DataRef(name="digits"))


def until(condition, seconds=60.0):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.005)


@pytest.fixture(autouse=True)
def home(monkeypatch, tmp_path):
    monkeypatch.setenv("WORKBENCH_HOME", str(tmp_path))
    return tmp_path


@pytest.fixture
def found() -> Outlook:
    return outlook(next(run(JOB)))


def by_name(found):
    return {each.profile.name: each for each in found.forecasts}


def test_a_row_says_what_does_not_run(found):
    edge = by_name(found)["edge-tpu"]
    assert verdict(edge).startswith("it computes in int8 only")
    assert row(edge, 481, None)["cells"][-1]["text"] == "no"
    assert f"Not on Coral Edge TPU (USB), FPGA (Zynq ZU3EG with a DPU): {verdict(edge)}." in told(found, "")
    cells = row(edge, 481, None)["cells"]
    assert [cell["text"] for cell in (cells[1], cells[2], cells[5], cells[6])] == ["–"] * 4
    small = by_name(found)["cortex-m4"]
    tight = replace(small, flash=Fit(what="weights as plain arrays", needed_bytes=10, available_bytes=5))
    assert verdict(tight) == "weights as plain arrays do not fit"
    assert row(tight, 481, None)["cells"][-1]["text"] == "too large"
    assert row(tight, 481, None)["cells"][3]["text"] == "10\u00a0B: too large"


def test_grams_and_prices_follow_the_choices(found):
    small, gpu = by_name(found)["cortex-m4"], by_name(found)["t4"]
    world, france = (row(small, grams, 1.0)["cells"] for grams in (481, 56))
    assert world[5]["sort"] / france[5]["sort"] == pytest.approx(481 / 56)
    low, high = (grams_per_million(small.energy_mj, 481).low, grams_per_million(small.energy_mj, 481).high)
    assert world[5]["hint"] == f"modelled, {low:.3g} to {high:.3g}"
    assert row(small, 481, None)["cells"][6]["text"] == "–"
    assert row(gpu, 481, 100.0) == row(gpu, 481, None)  # it has a rent of its own


def test_facts_link_to_their_sources(found):
    html = facts_html(by_name(found)["t4"])
    assert 'href="https://www.nvidia.com/en-us/data-center/tesla-t4/"' in html
    assert "<td>assumption</td>" in html


def test_bars_are_of_what_has_a_latency_the_quickest_first(found):
    info = devices_info(found.forecasts)
    assert list(info.typical) == sorted(info.typical)
    assert not {"Coral Edge TPU (USB)"} & {*info.names}
    assert set(info.fits) <= {FITS, NOT}
    figure = devices_figure(dark=False)
    draw_(figure, info)
    assert sum(len(trace.y) for trace in figure.data) == len(info.names)
    assert [milliseconds(value) for value in (1234.5, 12.34, 0.5)] == ["1.23 s", "12.3 ms", "500 µs"]


def test_a_row_of_an_earlier_version_is_refused():
    with pytest.raises(Refused, match="measured before devices could be forecast"):
        outlook(Result(job=JOB, key="k"))
    assert told(None, "no way") == "no way"


def test_the_table_follows_a_slider_while_it_is_open(tmp_path):
    app = Workbench("digits-mlp", store=Store(tmp_path / "rows.sqlite"))
    until(lambda: app.state.current is not None and not app.state.busy)
    assert app.state.outlook is None
    assert not app.devices.built
    app.devices.opened.value = True
    until(lambda: app.devices.table.rows)
    before = {line["key"]: line["cells"][3]["text"] for line in app.devices.table.rows}
    bits = techniques.get("weight_bits")(bits=8)
    app.state.put(recipe=Recipe((bits,)))
    until(lambda: app.state.outlook is not None and app.state.outlook.job.recipe.steps)
    with app.state.lock:  # whoever changes the state holds it until all panels have drawn
        after = {line["key"]: line["cells"][3]["text"] for line in app.devices.table.rows}
    assert before["cortex-m4"] != after["cortex-m4"]
    assert "Modelled for weight bits" in app.devices.told.value
    app.devices._pick("cortex-m4")
    assert "STM32F446RE" in app.devices.facts.value
    app.devices.opened.value = False
    app.state.put(recipe=Recipe())
    until(lambda: not app.state.busy)
    assert app.state.outlook is None


def test_a_wrong_file_is_said_in_the_panel(tmp_path, home):
    (home / "devices").mkdir()
    (home / "devices" / "mine.toml").write_text('name = "mine"')
    app = Workbench("digits-mlp", store=Store(tmp_path / "rows.sqlite"))
    until(lambda: app.state.current is not None and not app.state.busy)
    app.devices.opened.value = True
    until(lambda: "mine.toml" in app.devices.told.value)


def test_calibrating_can_be_stopped_and_ends(tmp_path, monkeypatch):
    from workbench.devices import calibration

    app = Workbench("digits-mlp", store=Store(tmp_path / "rows.sqlite"))
    until(lambda: app.state.current is not None and not app.state.busy)
    app.devices.opened.value = True
    app.devices.go.click()
    until(lambda: app.devices.work.bar.value > 0)
    app.devices.work.stop.click()
    until(lambda: "cancelled" in app.devices.work.told.value)
    assert not app.devices.go.disabled
    assert not calibration.kept().exists()
