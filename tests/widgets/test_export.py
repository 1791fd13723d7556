"""The export panel: what it offers, when it may, and what it shows of a file."""

from __future__ import annotations

import dataclasses
import json
import time
from pathlib import Path

import pytest

from widgets.bridge import connect
from widgets.download import DownloadButton
from widgets.panels.export import ExportPanel, about, cells, file_name
from widgets.state import AppState
from workbench.context import Progress
from workbench.delivery import Delivered
from workbench.errors import Refused
from workbench.recipe import Recipe
from workbench.registry import exports, techniques
from workbench.result import DataRef, Estimate, Job, ModelRef
from workbench.store import Store

JOB = Job(model=ModelRef(name="digits-mlp"), data=DataRef(name="digits"))


def share(value: float, low: float, high: float) -> Estimate:
    return Estimate(value=value, low=low, high=high, n=600, how="measured", unit="fraction")


MADE = Delivered(
    job=JOB,
    format="code",
    runtime="torch and safetensors",
    path=Path("/tmp/k-code.zip"),
    size_bytes=17_234,
    agreement=share(1, 0.9936, 1),
    difference=0.0,
    accuracy=share(0.9783, 0.963, 0.987),
    preview_accuracy=0.9783,
    seconds=0.03,
)


def wait(until, seconds: float = 30) -> None:
    end = time.monotonic() + seconds
    while not until():
        assert time.monotonic() < end, "it takes too long"
        time.sleep(0.02)


@pytest.fixture
def panel(tmp_path):
    state = AppState("digits-mlp")
    connect(state, store=Store(tmp_path / "results.sqlite3"))
    panel = ExportPanel(state)
    panel.opened.value = True
    wait(lambda: not state.busy)
    return panel


def test_the_cells_of_a_file() -> None:
    texts = [cell["text"] for cell in cells(MADE, "Python code")]
    assert texts == [
        "Python code, in torch and safetensors",
        "17.2 kB",
        "100 % (99.4 to 100)",
        "none",
        "97.8 % (96.3 to 98.7)",
        "< 0.1 s",
    ]
    json.dumps(cells(MADE, "Python code"), allow_nan=False)


def test_a_file_that_differs_says_so_in_its_row() -> None:
    other = dataclasses.replace(MADE, agreement=share(0.995, 0.985, 0.998), difference=1.5, seconds=2.0)
    texts = [cell["text"] for cell in cells(other, "ONNX")]
    assert texts[0] == "ONNX, in torch and safetensors: differs from the preview"
    assert texts[2:4] == ["99.50 % (98.5 to 99.8)", "1.5"]
    assert texts[5] == "2.0 s"


def test_what_a_browser_calls_the_file_is_no_path() -> None:
    assert file_name(MADE) == "digits-mlp.zip"
    evil = dataclasses.replace(MADE, job=dataclasses.replace(JOB, model=ModelRef(name="user:../../etc/pass wd.py:f")))
    assert file_name(evil) == "user-..-..-etc-pass-wd.py-f.zip"


def test_what_is_said_of_a_format_is_escaped() -> None:
    assert "<b>" not in about("<b>", "<b>", "<b>", "<b>")


def test_every_format_is_offered_and_described(panel) -> None:
    assert {name for _, name in panel.choice.options} == {*exports.names()}
    for format in exports:
        panel.choice.value = format.name
        assert format.suffix in panel.about.value


def test_a_file_is_made_shown_and_fetched(panel) -> None:
    sent = []
    panel._hands.deliver = lambda name, content: sent.append((name, content))
    panel.choice.value = "code"
    panel.go.click()
    wait(lambda: panel.work.stop.disabled)
    assert "done" in panel.work.told.value
    (row,) = panel.table.rows
    assert row["cells"][2]["text"].startswith("100 %")
    panel._download(row["key"])
    wait(lambda: sent)
    ((name, content),) = sent
    assert name == "digits-mlp.zip"
    assert content[:2] == b"PK"
    assert len(content) == row["cells"][1]["sort"]


def test_the_table_is_of_the_present_point(panel) -> None:
    panel.choice.value = "packed"
    panel.go.click()
    wait(lambda: panel.work.stop.disabled)
    panel.state.put(recipe=Recipe((techniques.get("weight_bits")(bits=4, method="nearest"),)))
    assert panel.table.rows == []
    wait(lambda: not panel.state.busy)
    panel.state.put(recipe=Recipe())
    assert len(panel.table.rows) == 1


def test_a_point_that_is_not_solved_yet_is_not_written(panel) -> None:
    row = panel.state.current
    panel.state.put(current=dataclasses.replace(row, final=False, provisional=("a quick answer",)), busy=True)
    assert panel.go.disabled
    assert "provisional" in panel.waits.value
    panel.state.put(current=dataclasses.replace(row, final=False))
    assert "still being measured" in panel.waits.value
    panel.state.put(current=row, busy=False)
    assert not panel.go.disabled
    assert panel.waits.value == ""


def test_a_refusal_is_one_sentence_in_the_panel(panel, monkeypatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise Refused("the operator <erf> is missing")

    monkeypatch.setattr("widgets.bridge.exporting.deliver", refuse)
    panel.go.click()
    wait(lambda: panel.work.stop.disabled)
    assert "&lt;erf&gt;" in panel.work.alert.value
    assert not panel.go.disabled


def test_an_export_can_be_cancelled(panel, monkeypatch) -> None:
    begun = []

    def slow(*_: object, report, **__: object) -> None:
        begun.append(True)
        while True:
            report(Progress(0.5, "writing"))
            time.sleep(0.01)

    monkeypatch.setattr("widgets.bridge.exporting.deliver", slow)
    panel.go.click()
    wait(lambda: begun)
    assert panel.go.disabled
    panel.work.stop.click()
    wait(lambda: panel.work.stop.disabled)
    assert "cancelled; no file was kept" in panel.work.told.value
    assert panel.table.rows == []


def test_a_file_too_large_for_a_page_names_the_command(panel) -> None:
    said = []
    large = dataclasses.replace(MADE, size_bytes=600_000_000)
    panel.engine.export.fetch(large, lambda _: pytest.fail("it was handed over"), said.append)
    wait(lambda: said)
    assert "`workbench export`" in said[0]


def test_a_large_file_goes_in_parts_and_an_empty_one_goes_too(monkeypatch) -> None:
    sent = []
    button = DownloadButton("Download", lambda: None)
    monkeypatch.setattr(button, "send", lambda message, buffers: sent.append((message, bytes(buffers[0]))))
    content = bytes(range(256)) * 40_000  # 10.24 MB: two whole parts of 4 MiB and a rest
    button.deliver("net.zip", content)
    assert [message for message, _ in sent] == [{"name": "net.zip", "part": part, "of": 3} for part in range(3)]
    assert b"".join(part for _, part in sent) == content
    sent.clear()
    button.deliver("empty", b"")
    assert sent == [({"name": "empty", "part": 0, "of": 1}, b"")]
