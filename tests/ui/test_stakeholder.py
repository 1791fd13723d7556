"""A stakeholder in a real browser: five questions, a report, and the report again where there is no network."""

from __future__ import annotations

import dataclasses
import re

import pytest
from playwright.sync_api import expect

from workbench.recipe import Recipe
from workbench.registry import techniques
from workbench.result import DataRef, Job, ModelRef
from workbench.run import run
from workbench.store import Store

pytestmark = [pytest.mark.ui, pytest.mark.slow]

QUESTIONS = (
    "How small may it be?",
    "What do we lose?",
    "Who notices?",
    "What does it save?",
    "On which device does it run?",
)


@pytest.fixture
def stored(tmp_path):
    """A home whose store knows a network and two smaller versions of it, measured."""
    prune, bits = techniques.get("magnitude"), techniques.get("weight_bits")
    job = Job(model=ModelRef(name="digits-mlp"), data=DataRef(name="digits"))
    with Store(tmp_path / "results.sqlite3") as store:
        for steps in ((), (bits(bits=4),), (prune(ratio=0.8), bits(bits=3))):
            [*run(dataclasses.replace(job, recipe=Recipe(steps)), store=store)]
    return tmp_path


@pytest.fixture
def served(stored, browser_tests):
    with browser_tests.served(stored, "serve", "stakeholder") as url:
        yield url


def test_five_questions_and_a_report_that_opens_offline(page, served, context, tmp_path):
    page.set_viewport_size({"width": 1280, "height": 900})
    page.goto(served, timeout=120_000)
    answer = page.locator(".dsw-answer")
    seen = {}
    for number, question in enumerate(QUESTIONS):
        expect(answer.get_by_role("heading", name=question)).to_be_visible()
        seen[question] = answer.locator(".dsw-figure b").all_inner_texts()
        assert seen[question]
        if number < len(QUESTIONS) - 1:
            page.get_by_role("button", name="Next question").click()
    page.get_by_role("radio", name="What does it save?").click()
    requests = page.get_by_label("Requests a day")
    requests.fill("1234567")
    requests.press("Enter")
    expect(answer).to_contain_text("1,234,567 requests a day")
    seen["What does it save?"] = answer.locator(".dsw-figure b").all_inner_texts()
    term = answer.locator(".dsw-term").first
    term.focus()
    expect(term.get_by_role("tooltip")).to_be_visible()

    page.set_viewport_size({"width": 400, "height": 800})
    for question in QUESTIONS:
        page.get_by_role("radio", name=question).click()
        expect(answer.get_by_role("heading", name=question)).to_be_visible()
        page.wait_for_function("document.querySelector('.dsw-answer').getBoundingClientRect().right < innerWidth")
    with page.expect_download() as download:
        page.get_by_role("button", name="Download the report").click()
    assert download.value.suggested_filename == "digits-mlp-on-digits-report.html"
    file = tmp_path / "report.html"
    download.value.save_as(file)

    asked = []
    context.set_offline(True)
    page.goto("about:blank")
    page.on("request", lambda request: asked.append(request.url))
    page.goto(file.as_uri())
    for question, figures in seen.items():
        section = page.locator(".dsw-answer").filter(has=page.get_by_role("heading", name=question))
        assert section.locator(".dsw-figure b").all_inner_texts() == figures
    expect(page.locator("svg.dsw-dots")).to_be_visible()
    assert asked == [file.as_uri()]
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    assert re.search("measured", page.locator("footer").inner_text())
