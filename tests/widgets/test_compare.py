"""Two networks side by side: what is picked, what is said, and the report."""

from __future__ import annotations

import dataclasses
import re
import time
from datetime import UTC, datetime

import numpy as np
import pytest

from widgets.bridge.pictures import Pictures
from widgets.compare import Compare
from widgets.compare.report import report
from widgets.compare.sections import sections, words
from widgets.figures.calibration import calibration_html
from widgets.figures.parts import parts_html, parts_info
from widgets.panels.classes import ClassesPanel, drawn
from widgets.state import AppState
from workbench import link
from workbench.forgetting.alarms import Alarm
from workbench.forgetting.compared import compared
from workbench.forgetting.parts import parts
from workbench.recipe import Recipe
from workbench.registry import techniques
from workbench.result import DataRef, Estimate, Job, ModelRef
from workbench.run import pictures, run
from workbench.store import Store

MASK = techniques.get("magnitude")(ratio=0.8, method="mask", score="magnitude")
BITS = techniques.get("weight_bits")(bits=8)
ORIGINAL = Job(model=ModelRef(name="digits-mlp"), data=DataRef(name="digits"))
SMALLER = dataclasses.replace(ORIGINAL, recipe=Recipe((MASK,)))
GENTLE = dataclasses.replace(ORIGINAL, recipe=Recipe((BITS,)))
EVIL = "<img src=x onerror=alert(1)>"


@pytest.fixture
def store(tmp_path):
    with Store(tmp_path / "results.sqlite3") as made:
        yield made


@pytest.fixture(scope="module")
def found():
    return compared(ORIGINAL, SMALLER)


@pytest.fixture(scope="module")
def shown(found):
    return Pictures(pixels=pictures(SMALLER, [flip.index for flip in found.flips.shown]), classes=found.class_names)


def text(html: str) -> str:
    return " ".join(re.sub(r"<[^>]+>", " ", re.sub(r'<span class="dsw-tip".*?</span>', "", html)).split())


def settled(page: Compare) -> Compare:
    end = time.monotonic() + 60
    while page.work.running and time.monotonic() < end:
        time.sleep(0.02)
    assert not page.work.running
    return page


def keep(store: Store, *jobs: Job) -> None:
    for job in jobs:
        [*run(job, store=store)]


def test_the_newest_stored_network_is_shown_beside_its_original(store):
    keep(store, SMALLER, GENTLE, ORIGINAL)
    page = settled(Compare(store=store))
    assert page.jobs == (ORIGINAL, GENTLE)
    assert page.left.label == "the original of the one on the right"
    assert "The two at a glance" in page.answer.value
    assert "✓ No alarm." in page.answer.value
    assert page.empty.value == ""
    assert not page.save.disabled
    assert sum("digits-mlp, " in title and "%" in title for title, _ in page.right.options) == 2


def test_another_pick_is_compared_and_the_sides_can_be_swapped(store):
    keep(store, SMALLER, GENTLE)
    page = settled(Compare(store=store))
    page.right.value = page._number(SMALLER)
    settled(page)
    assert page.found.right.job == SMALLER
    assert "▲" in page.answer.value
    page.left.value = page._number(GENTLE)
    settled(page)
    assert page.jobs == (GENTLE, SMALLER)
    page.swap.click()
    settled(page)
    assert (page.found.left.job, page.found.right.job) == (SMALLER, GENTLE)
    page.left.value = page._number(GENTLE)
    assert "both sides are the same network" in page.problem.value.lower()
    assert (page.answer.value, page.save.disabled) == ("", True)


def test_an_empty_store_says_what_to_do_and_shows_the_zoo(store):
    page = settled(Compare(store=store))
    assert "No smaller network is stored for these data yet" in page.empty.value
    assert {job.model.name for job in page.jobs} <= {"digits-mlp", "digits-cnn", "digits-resnet"}
    assert "The two at a glance" in page.answer.value
    keep(store, GENTLE)
    page._hear({"shown": True, "hash": ""})
    settled(page)
    assert page.jobs == (ORIGINAL, GENTLE)


def test_a_link_is_opened_on_the_right(store):
    page = settled(Compare(store=store))
    page.link.value = f"http://localhost/{link.fragment(SMALLER)}"
    settled(page)
    assert page.jobs == (ORIGINAL, SMALLER)
    assert page.right.label.startswith("by link: digits-mlp")
    page._hear({"hash": link.fragment(GENTLE)})
    settled(page)
    assert page.jobs == (ORIGINAL, GENTLE)
    page.link.value = "http://localhost/#w1=broken"
    assert "This link was not opened" in page.problem.value
    page.link.value = "no link " + EVIL
    assert EVIL not in page.problem.value


def test_networks_may_be_given(store):
    keep(store, GENTLE)
    page = settled(Compare(right=SMALLER, store=store))
    assert page.jobs == (ORIGINAL, SMALLER)
    page = settled(Compare(ORIGINAL, dataclasses.replace(ORIGINAL, model=ModelRef(name="digits-cnn")), store=store))
    assert [job.model.name for job in page.jobs] == ["digits-mlp", "digits-cnn"]
    assert words(page.found).before == "the network on the left"
    assert re.search(r': the network on the left said \d, the network on the right says \d"', page.answer.value)


def test_data_that_cannot_be_read_are_one_sentence(store):
    page = settled(Compare(store=store))
    page.data.value = "cifar10"
    settled(page)
    assert page.answer.value == ""
    assert 'role="alert"' in page.work.alert.value
    page.data.value = "digits"
    settled(page)
    assert "The two at a glance" in page.answer.value


def test_a_store_that_cannot_be_read_is_one_sentence(tmp_path, monkeypatch):
    (tmp_path / "results.sqlite3").write_text("no database, but long enough to be taken for the header of one" * 9)
    monkeypatch.setenv("WORKBENCH_HOME", str(tmp_path))
    page = settled(Compare())
    assert "is not a readable store of results" in page.unread.value
    assert page.empty.value == ""
    assert "The two at a glance" in page.answer.value


def test_code_of_files_is_neither_listed_nor_run(store):
    keep(store, GENTLE)
    row = store.query()[0]
    evil = dataclasses.replace(row, key="x", job=dataclasses.replace(row.job, model=ModelRef(name="user:evil.py:f")))
    store.add(evil)
    page = settled(Compare(store=store))
    assert page.jobs == (ORIGINAL, GENTLE)
    assert not any("user:" in title for title, _ in page.right.options)


def test_what_is_said(found, shown):
    said = text(sections(found, shown))
    lost = round(found.flips.lost.value * 600)
    gained = round(found.flips.gained.value * 600)
    assert "The smaller network is" in said
    assert f"Right before and wrong now: {lost} of 600 images. The other way round: {gained}." in said
    assert "all images, the mean 600 images" in said
    assert "dark images" in said
    assert "10 bins of equal width; intervals of errors from 1,000 bootstrap samples" in said
    assert "What else could have been found" in said or "No alarm" in said
    html = sections(found, shown)
    assert html.count('<img src="data:image/png;base64,') == len(found.flips.shown)
    assert html.count("<table") >= 5
    assert re.search(r"\(\d+ %\) → \d \(\d+ %\)", said)


def test_a_file_that_is_larger_by_next_to_nothing_is_as_large(found, shown):
    size = found.left.estimates["size_bytes"]
    nearly = Estimate.counted(1.002 * size.value, "bytes")
    right = dataclasses.replace(found.right, estimates={**found.right.estimates, "size_bytes": nearly})
    said = text(sections(dataclasses.replace(found, right=right), shown))
    assert "The smaller network is as large, and" in said


def test_names_are_shown_as_they_are(found, shown):
    evil = dataclasses.replace(
        found,
        class_names=(EVIL, *found.class_names[1:]),
        classes=tuple(dataclasses.replace(part, name=EVIL) for part in found.classes),
        confusions=tuple(dataclasses.replace(each, label=EVIL) for each in found.confusions),
        alarms=(Alarm(kind="class", sentence=EVIL, line=EVIL),),
        left=dataclasses.replace(found.left, job=dataclasses.replace(ORIGINAL, model=ModelRef(name=EVIL))),
        environment={"machine": EVIL, "processor": EVIL},
    )
    html = report(evil, Pictures(pixels=shown.pixels, classes=(EVIL,) * 10)).decode()
    assert EVIL not in html
    assert "&lt;img" in html


def test_the_report_is_one_file_with_the_same_answers(store, monkeypatch):
    keep(store, SMALLER)
    page = settled(Compare(store=store))
    sent = []
    monkeypatch.setattr(page.save, "deliver", lambda name, content: sent.append((name, content)))
    page._save()
    ((name, content),) = sent
    assert name == "digits-mlp-on-digits-comparison.html"
    html = content.decode()
    assert page.answer.value in html
    assert not re.search(r"https?://|url\(|@import|<link|<script", html)
    assert {*re.findall(r'src="(.{10})', html)} == {"data:image"}
    fixed = report(page.found, page._shown, datetime(2026, 1, 31, 12, 5, tzinfo=UTC)).decode()
    assert "Written 2026-01-31 12:05 UTC" in fixed
    assert page.found.right.key in fixed


COLUMNS = {
    "names": ["a", EVIL, "c"], "images": [60] * 3, "was": [60, 50, 60], "right": [20, 50, 60], "lost": [40, 0, 0],
    "gained": [0, 0, 0],
}  # fmt: skip


def test_the_picture_of_classes():
    info = parts_info(parts(COLUMNS), most=2)
    assert (info.left, info.rest) == (0.2, 1)
    first, second = info.lines
    assert (first.falls, second.falls) == (True, False)
    assert (first.before.at, first.after.at) == pytest.approx((100, 100 * (20 / 60 - 0.2) / 0.8))
    assert first.change == "−66.7 points"
    html = parts_html(info, caption="c", head="h", before="x", after="y")
    assert EVIL not in html
    assert "surely more than all others" in html
    assert "1 more lost less than these" in html
    assert html.count("<tr") == 3


def test_no_images_of_a_bin_no_dot(found):
    html = calibration_html(found.calibration.after.bins, "t", "is")
    assert html.count("<circle") == len(found.calibration.after.bins)
    assert html.count("<tr>") == 1 + len(found.calibration.after.bins)
    assert 'role="img"' in html


def test_the_panel_draws_final_rows_only():
    *_, row = run(SMALLER)
    sentence, picture = drawn(row)
    assert "The mean changes by" in sentence
    assert picture.count("dsw-lane") == 11
    assert drawn(None)[1] == ""
    assert drawn(dataclasses.replace(row, final=False))[1] == ""
    assert "has lost nothing" in drawn(dataclasses.replace(row, job=ORIGINAL))[0]
    assert "measured before classes were counted" in drawn(dataclasses.replace(row, details={}))[0]


def test_the_panel_draws_only_while_it_is_open_and_moves_with_the_slider():
    state = AppState("digits-mlp", "digits")
    panel = ClassesPanel(state)
    state.put(recipe=Recipe((MASK,)))
    end = time.monotonic() + 60
    while (state.busy or state.current is None) and time.monotonic() < end:
        time.sleep(0.02)
    assert not panel.built
    panel.opened.value = True
    before = panel.picture.value
    assert "dsw-parts" in before
    row = state.current
    with state.lock:
        state.put(current=dataclasses.replace(row, final=False))
    assert panel.picture.value == before
    assert "dsw-stale" in panel.picture._dom_classes
    with state.lock:
        state.put(current=row)
    assert "dsw-stale" not in panel.picture._dom_classes


def test_pictures_of_no_flips_are_none(found):
    none = dataclasses.replace(
        found.flips, changed=dataclasses.replace(found.flips.changed, value=0.0), lost_images=(), gained_images=()
    )
    empty = Pictures(pixels=np.zeros((0, 8, 8, 1), np.uint8), classes=found.class_names)
    assert "answers all 600 test images as" in text(sections(dataclasses.replace(found, flips=none), empty))
