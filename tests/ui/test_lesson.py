"""A student in a real browser: a wrong answer first, then a hint, then the slider, then what is right."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

pytestmark = [pytest.mark.ui, pytest.mark.slow]


@pytest.fixture
def lessons(tmp_path, browser_tests):
    """The address of the list of lessons, as a teacher serves it."""
    with browser_tests.served(tmp_path, "serve", "lessons") as url:
        yield url


def exercise(page, words):
    return page.locator(".dsw-panel").filter(has_text=words)


def test_a_student_answers_wrong_reads_the_hint_and_gets_it_right_then_goes_on(page, lessons, make_dashboard, tmp_path):
    page.goto(lessons, timeout=180_000)
    page.get_by_role("heading", name="Lessons").wait_for()
    page.get_by_role("link", name="1. Why smaller?").click(timeout=180_000)
    page.set_viewport_size({"width": 1280, "height": 1000})
    dashboard = make_dashboard(page)
    dashboard.ready()

    memory = exercise(page, "How much memory do all of them take?")
    answer = memory.get_by_role("textbox")
    for wrong, told in (("many", "cannot be read as a number"), ("41.07", "Not yet."), ("", "Write a number first.")):
        answer.fill(wrong)
        memory.get_by_role("button", name="Check").click()
        expect(memory.get_by_role("status")).to_contain_text(told)
    answer.fill("41.07")
    memory.get_by_role("button", name="Check").click()
    expect(memory.get_by_role("status")).to_contain_text("Parameters times 4 bytes")
    answer.fill("164.3")
    memory.get_by_role("button", name="Check").click()
    expect(memory.get_by_role("status")).to_contain_text("Right")

    size = dashboard.value("size_bytes")
    dashboard.tick("Weight bits")
    size = dashboard.wait_for_change("size_bytes", size)
    dashboard.slide("Weight bits", "Bits", "ArrowLeft", 4)
    dashboard.wait_for_change("size_bytes", size)
    page.screenshot(path=tmp_path / "lesson.png", full_page=True)

    page.get_by_role("link", name="2. Pruning").click()
    page.wait_for_url("**/02-pruning.ipynb", timeout=180_000)
    make_dashboard(page).ready()


CLIPPED = """() => [...document.querySelectorAll(".dsw-panel .widget-text:has([placeholder='a number']) .widget-label")]
  .filter((e) => { e.textContent = "Your answer (points)"; return e.scrollWidth > e.clientWidth }).length"""
CUT_OFF = """() => { const { right } = document.querySelector(".dsw-ranges").getBoundingClientRect();
  return [...document.querySelectorAll(".dsw-ranges th")].filter((e) => e.getBoundingClientRect().right > right + 1)
    .map((e) => e.textContent) }"""
PRINTED = """() => [...document.querySelectorAll("#rendered_cells .jp-OutputArea:has(.jp-RenderedText)")]
  .filter((e) => e.scrollWidth > e.clientWidth + 1).map((e) => {
    const pre = e.querySelector("pre"), lines = pre.clientHeight / parseFloat(getComputedStyle(pre).lineHeight);
    const broken = Math.round(lines) - pre.textContent.trimEnd().split("\\n").length;
    return [broken, e.getAttribute("tabindex"), e.getAttribute("aria-label")] })"""
HANDLES = """() => [...document.querySelectorAll(".dsw .noUi-handle")]
  .map((e) => getComputedStyle(e).backgroundColor)"""


def test_on_a_narrow_page_all_can_be_read_or_scrolled_to(page, lessons, make_dashboard, eventually):
    page.set_viewport_size({"width": 768, "height": 1000})
    page.goto(lessons, timeout=180_000)
    page.get_by_role("link", name="7. Hardware").click(timeout=180_000)
    dashboard = make_dashboard(page)
    dashboard.ready()
    dashboard.tick("Weight pruning")
    page.locator(".dsw-ranges tbody tr").first.wait_for()
    assert page.evaluate(CLIPPED) == 0
    eventually(lambda: page.evaluate(CUT_OFF), [])
    eventually(lambda: set(map(tuple, page.evaluate(PRINTED))), {(0, "0", "Printed by the code (scrolls)")})
    eventually(lambda: set(page.evaluate(HANDLES)), {"rgb(0, 114, 178)"})
    assert page.get_by_role("heading", name="Check yourself").count() == 1
