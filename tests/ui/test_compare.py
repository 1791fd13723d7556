"""Two networks side by side in a real browser: figures, an alarm, and the report where there is no network."""

from __future__ import annotations

import dataclasses

import pytest
from playwright.sync_api import expect

from workbench.recipe import Recipe
from workbench.registry import techniques
from workbench.result import DataRef, Job, ModelRef
from workbench.run import run
from workbench.store import Store

pytestmark = [pytest.mark.ui, pytest.mark.slow]

SECTIONS = (
    "The two at a glance",
    "Alarms",
    "Which images changed their answer?",
    "Which classes lost?",
    "Which groups of images lost, that no label names?",
    "Is it as sure as it may be?",
)


@pytest.fixture
def stored(tmp_path):
    """A home whose store knows a network, a gentle version of it, and last one that has lost whole classes."""
    mask = techniques.get("magnitude")(ratio=0.8, method="mask", score="magnitude")
    job = Job(model=ModelRef(name="digits-cnn"), data=DataRef(name="digits"))
    with Store(tmp_path / "results.sqlite3") as store:
        for steps in ((), (techniques.get("weight_bits")(bits=8),), (mask,)):
            [*run(dataclasses.replace(job, recipe=Recipe(steps)), store=store)]
    return tmp_path


@pytest.fixture
def served(stored, browser_tests):
    with browser_tests.served(stored, "serve", "compare") as url:
        yield url


def test_a_pair_with_an_alarm_one_without_and_a_report_that_opens_offline(page, served, context, tmp_path):
    page.set_viewport_size({"width": 1280, "height": 900})
    page.goto(served, timeout=120_000)
    for title in SECTIONS:
        expect(page.get_by_role("heading", name=title)).to_be_visible()
    seen = page.locator(".dsw-figure b").all_inner_texts()
    assert any("points" in text for text in seen)
    alarms = page.locator(".dsw-alarm b").all_inner_texts()
    assert any("further" in line for line in page.locator(".dsw-alarm small").all_inner_texts())
    assert any("Class 7" in alarm for alarm in alarms)
    pictures = page.locator(".dsw-flip img")
    pictures.nth(5).wait_for()  # at least six
    page.wait_for_function("document.querySelector('.dsw-flip img').naturalWidth > 0")
    assert page.get_by_role("row").filter(has_text="all images, the mean").count() == 1

    for width in (768, 400):
        page.set_viewport_size({"width": width, "height": 900})
        page.wait_for_function(
            "[...document.querySelectorAll('.dsw-answer')].every(e => e.getBoundingClientRect().right < innerWidth)"
        )
    with page.expect_download() as download:
        page.get_by_role("button", name="Download the report").click()
    assert download.value.suggested_filename == "digits-cnn-on-digits-comparison.html"
    file = tmp_path / "report.html"
    download.value.save_as(file)

    right = page.get_by_role("combobox", name="Right")
    gentle = next(text for text in right.locator("option").all_text_contents() if "weight\xa0bits" in text)
    right.select_option(label=gentle)
    expect(page.get_by_text("✓ No alarm.")).to_be_visible()

    asked = []
    context.set_offline(True)
    page.goto("about:blank")
    page.on("request", lambda request: asked.append(request.url))
    page.goto(file.as_uri())
    for title in SECTIONS:
        expect(page.get_by_role("heading", name=title)).to_be_visible()
    assert page.locator(".dsw-figure b").all_inner_texts() == seen
    assert page.locator(".dsw-alarm b").all_inner_texts() == alarms
    page.wait_for_function("document.querySelector('.dsw-flip img').naturalWidth > 0")
    expect(page.locator(".dsw-sure svg").first).to_be_visible()
    assert [url for url in asked if not url.startswith("data:")] == [file.as_uri()]
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
