"""The history panel without a browser: what is measured comes by itself, is found, marked, compared and restored."""

from __future__ import annotations

import csv
import dataclasses
import io
import json
import time

import pytest

from widgets.bridge.offered import Offered
from widgets.panels.history import HistoryPanel, cells, found_text
from widgets.state import AppState
from workbench.errors import Refused
from workbench.history import Page, Query, entry, page
from workbench.recipe import Recipe
from workbench.registry import techniques
from workbench.result import DataRef, Estimate, Job, ModelRef, Result
from workbench.store import Store

MAGNITUDE, BITS = techniques.get("magnitude"), techniques.get("weight_bits")
HALF = Recipe((MAGNITUDE(ratio=0.5),))


def until(condition, seconds=60.0):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.005)


def row(key, model="digits-mlp", data="digits", accuracy=0.5, ref=None):
    value = Estimate(value=accuracy, low=accuracy - 0.1, high=accuracy + 0.1, how="measured", unit="fraction", n=600)
    size = Estimate.counted(1000, "bytes")
    job = Job(model=ref or ModelRef(name=model), data=DataRef(name=data), recipe=HALF)
    return Result(job=job, key=key, estimates={"accuracy": value, "size_bytes": size}, final=True)


@pytest.fixture
def store(tmp_path):
    with Store(tmp_path / "results.sqlite3") as made:
        yield made


@pytest.fixture
def panel(store):
    """A panel that is open, with its original measured and in it."""
    state = AppState("digits-mlp")
    made = _panel(state, store)
    until(lambda: not state.busy and len(made.table.rows) == 1)
    return made


def _panel(state, store, **options):
    from widgets.bridge import connect

    connect(state, store=store)
    made = HistoryPanel(state, **options)
    made.opened.value = True
    return made


def shown(panel):
    with panel.state.lock:
        return [line["key"] for line in panel.table.rows]


def filled(panel, store, *rows):
    store.remember(rows)
    panel.engine.history.refresh()
    until(lambda: {each.key for each in rows} <= set(shown(panel)))


def test_what_the_sliders_measure_comes_by_itself_and_is_no_saved_point(panel, store):
    panel.state.put(recipe=Recipe((MAGNITUDE(ratio=0.5),)))
    until(lambda: len(shown(panel)) == 2)
    newest = panel.table.rows[0]
    assert newest["key"] == panel.state.current.key
    assert newest["cells"][0]["text"] == "weight pruning (ratio 50 %)"
    assert store.packed(newest["key"]) == b""
    assert not entry(store, newest["key"]).kept
    assert panel.state.saved == ()


def test_a_star_makes_a_point_of_it_and_goes_again(panel, store):
    panel.state.put(recipe=Recipe((MAGNITUDE(ratio=0.5),)))
    until(lambda: len(shown(panel)) == 2)
    key = panel.table.rows[0]["key"]
    panel.table._act(None, {"action": "Star", "key": key}, None)
    until(lambda: panel.table.rows[0]["faces"] == {"Star": "★"})
    assert panel.table.rows[0]["pressed"]["Star"] is True
    assert [each.key for each in panel.state.saved] == [key]
    panel.starred.value = True
    until(lambda: shown(panel) == [key])
    panel.table._act(None, {"action": "Star", "key": key}, None)
    until(lambda: shown(panel) == [])
    assert panel.state.saved == ()


def test_a_point_that_is_saved_gets_its_file_although_it_is_known(panel, store):
    panel.state.put(recipe=Recipe((BITS(bits=4),)))
    until(lambda: len(shown(panel)) == 2 and not panel.state.busy)
    current = panel.state.current
    assert store.packed(current.key) == b""
    panel.engine.saved.save(current, pytest.fail)
    until(lambda: panel.state.saved)
    assert len(store.packed(current.key)) == current.estimates["size_bytes"].value


def test_a_note_is_written_and_found(panel, store):
    filled(panel, store, row("other"))
    panel.table._act(None, {"picked": "other"}, None)
    until(lambda: panel.table.selected == "other")
    assert panel.about.value == "<h3>weight pruning (ratio 50 %)</h3>"
    panel.note.value = "<b>best</b> so far"
    until(lambda: entry(store, "other").note == "<b>best</b> so far")
    panel.text.value = "BEST"
    until(lambda: shown(panel) == ["other"])
    assert panel.table.rows[0]["cells"][-1]["text"] == "<b>best</b> so far"
    panel.note.value = "x" * 2001
    until(lambda: "2,000 characters" in panel.alert.value)


def test_filters_and_orders(panel, store):
    filled(panel, store, row("a", accuracy=0.2), row("b", "digits-cnn", accuracy=0.1))
    until(lambda: len(panel.model.options) == 3)
    panel.model.value = "digits-cnn"
    until(lambda: shown(panel) == ["b"])
    panel.model.value = ""
    panel.table._act(None, {"sorted": 2, "down": False}, None)
    until(lambda: shown(panel)[:2] == ["b", "a"])
    assert panel.table.order == (2, False)
    panel.table._act(None, {"sorted": 99, "down": False}, None)
    panel.table._act(None, {"sorted": "x"}, None)
    panel.data.value = "digits"
    until(lambda: panel._look.query.data == "digits")
    assert len(shown(panel)) == 3


def test_pages(panel, store):
    filled(panel, store, *(row(f"r{number:03}") for number in range(49)))
    store.remember([row("one-more")])
    panel.engine.history.refresh()
    until(lambda: "51 results, of which 1 to 50" in panel.told.value)
    assert panel.back.disabled
    panel.on.click()
    until(lambda: len(shown(panel)) == 1 and panel.on.disabled)
    last = shown(panel)[0]
    store.remove(last)
    panel.engine.history.refresh()
    until(lambda: len(shown(panel)) == 50 and panel.back.disabled)  # the page is gone: back to the first


def test_rows_are_compared_with_the_first(panel, store):
    panel.state.put(recipe=Recipe((MAGNITUDE(ratio=0.9),)))
    until(lambda: len(shown(panel)) == 2)
    mine, original = shown(panel)
    filled(panel, store, row("other", accuracy=0.7), row("elsewhere", data="mnist"))
    assert panel.comparison.layout.display == "none"
    for key in (original, mine, "other", "elsewhere"):
        panel.table._act(None, {"action": "Compare", "key": key}, None)
    until(lambda: len(panel.comparison.table.rows) == 4)
    assert panel.comparison.layout.display is None
    words = [line["cells"][3]["text"] for line in panel.comparison.table.rows]
    assert words[0] == "the first"
    assert words[1].endswith("points, paired")
    assert words[2].endswith("points, not paired")
    assert words[3] == "other images"
    for key in (original, mine, "other"):
        panel.table._act(None, {"action": "Compare", "key": key}, None)
    until(lambda: panel.comparison.layout.display == "none")


def test_a_row_of_this_model_is_restored(panel, store):
    panel.state.put(recipe=Recipe((MAGNITUDE(ratio=0.9),)))
    until(lambda: len(shown(panel)) == 2 and not panel.state.busy)
    key = panel.state.current.key
    panel.state.put(recipe=Recipe())
    panel.table._act(None, {"action": "Restore", "key": key}, None)
    until(lambda: panel.state.recipe == Recipe((MAGNITUDE(ratio=0.9),)))


def test_a_row_of_another_model_is_restored_with_it(panel, store):
    filled(panel, store, row("other", "digits-cnn"))
    panel.table._act(None, {"action": "Restore", "key": "other"}, None)
    until(lambda: panel.state.model == ModelRef(name="digits-cnn"))
    assert panel.state.recipe == Recipe((MAGNITUDE(ratio=0.5),))
    until(lambda: not panel.state.busy)
    assert panel.state.current.job.recipe == Recipe((MAGNITUDE(ratio=0.5),))


@pytest.mark.parametrize(
    "bad",
    [
        row("bad", ref=ModelRef(name="user:net.py:build")),
        row("bad", ref=ModelRef(name="digits-mlp", checkpoint="/etc/passwd")),
        row("bad", data="folder:/etc"),
    ],
)
def test_what_the_page_does_not_offer_is_not_restored(panel, store, bad):
    filled(panel, store, bad)
    before = panel.state.job
    panel.table._act(None, {"action": "Restore", "key": "bad"}, None)
    until(lambda: "does not offer" in panel.alert.value)
    assert panel.state.job == before


def test_offers_are_what_the_page_was_given():
    mine = ModelRef(name="resnet20", checkpoint="mine.th")
    offered = Offered(models=(mine,), data=(DataRef(name="mnist", root="there"), DataRef(name="folder:x")))
    job = Job(model=mine, data=DataRef(name="mnist", root="elsewhere"), seed=3)
    assert offered.job(job) == dataclasses.replace(job, data=DataRef(name="mnist", root="there"))
    assert offered.job(dataclasses.replace(job, data=DataRef(name="folder:x"))).data == DataRef(name="folder:x")
    with pytest.raises(Refused, match="no-such-model"):
        offered.job(dataclasses.replace(job, model=ModelRef(name="no-such-model")))


def test_a_row_is_removed(panel, store):
    filled(panel, store, row("other"))
    panel.table._act(None, {"picked": "other"}, None)
    until(lambda: panel.table.selected == "other")
    panel.remove.click()
    until(lambda: "other" not in shown(panel))
    assert not store.has("other")
    assert panel.one.layout.display == "none"
    panel.table._act(None, {"action": "Restore", "key": "other"}, None)
    until(lambda: "was removed" in panel.alert.value)


@pytest.mark.parametrize("kind", ["csv", "json"])
def test_all_that_is_found_is_exported(panel, store, kind):
    store.remember(row(f"r{number}") for number in range(60))
    panel.text.value = "pruning"
    until(lambda: panel._look.page.total == 60)
    sent, button = [], getattr(panel, kind)
    button.send = lambda *what: sent.append(what)
    button._handle_custom_msg({"wanted": True}, [])
    until(lambda: sent)
    ((about, buffers),) = sent
    assert about["name"] == f"history.{kind}"
    text = b"".join(buffers).decode("utf-8-sig")
    found = json.loads(text) if kind == "json" else list(csv.DictReader(io.StringIO(text)))
    assert len(found) == 60


def test_the_plot_shows_what_was_found_and_a_point_is_picked(panel, store):
    filled(panel, store, row("a", accuracy=0.2), row("b", accuracy=0.3))
    names = {trace.name: trace for trace in panel.figure.data}
    until(lambda: list(names["measured"].y) == [0.2])
    assert len(names["not beaten"].y) == 2
    point = type("Points", (), {"trace_index": 0, "point_inds": [0]})
    panel._point(None, point, None)
    until(lambda: panel.table.selected == "a")


def test_nothing_is_read_while_nobody_looks(store):
    state = AppState("digits-mlp")
    from widgets.bridge import connect

    connect(state, store=store)
    panel = HistoryPanel(state)
    until(lambda: not state.busy and page(store, Query()).total == 1)
    assert panel.engine.history.looking.started == 0
    assert not panel.built


def test_a_disk_that_takes_nothing_is_told_and_the_sliders_go_on(panel, store, monkeypatch):
    def full(rows):
        raise Refused("there is no room")

    monkeypatch.setattr(store, "remember", full)
    panel.state.put(recipe=Recipe((MAGNITUDE(ratio=0.7),)))
    until(lambda: "not remembered: there is no room" in panel.alert.value)
    assert panel.state.error == ""
    assert panel.state.current.final


def test_an_entry_that_cannot_be_read_here_has_words():
    unknown = dict.fromkeys(("recipe", "accuracy", "low", "high", "images", "size_bytes", "macs", "measured_at"))
    from workbench.history import Entry

    found = cells(Entry(key="k", model="m", data="d", star=False, note="", kept=True, **unknown))
    words = ["a recipe that cannot be read here", "m on d", "–", "–", "–", "–", ""]
    assert [cell["text"] for cell in found] == words


@pytest.mark.parametrize(
    ("total", "words"),
    [
        (0, "No results."),
        (1, "1 result."),
        (3, "3 results."),
        (1000, "1,000 results, of which 51 to 51 are listed."),
    ],
)
def test_words_on_how_much_was_found(total, words):
    assert found_text(Page(entries=(None,), total=total), 50) == words
