"""Two people of a class, each in a browser of their own, on one server: both submit, and see each other."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from workbench.link import fragment
from workbench.recipe import Recipe
from workbench.registry import techniques
from workbench.result import DataRef, Job, ModelRef

pytestmark = [pytest.mark.ui, pytest.mark.slow]


def link(*steps):
    return fragment(Job(model=ModelRef(name="digits-cnn"), data=DataRef(name="digits"), recipe=Recipe(steps)))


@pytest.fixture
def visit(browser, voila, make_dashboard):
    """Opens the dashboard with a recipe in a new browser, with the leaderboard shown."""
    contexts = []

    def open_(*steps):
        contexts.append(browser.new_context(viewport={"width": 1280, "height": 1000}))
        page = contexts[-1].new_page()
        page.goto(voila + link(*steps), timeout=180_000)
        make_dashboard(page).ready()
        title = page.get_by_role("heading", name="The leaderboard of the class", exact=True)
        panel = page.locator(".dsw-panel").filter(has=title)
        panel.get_by_role("button", name="Show the leaderboard").click()
        return panel

    yield open_
    for context in contexts:
        context.close()


def submit(panel, name):
    panel.get_by_label("Your name").fill(name)
    panel.get_by_role("button", name="Submit", exact=True).click()


def test_two_names_submit_and_see_each_other(visit, tmp_path):
    ann = visit(techniques.get("magnitude")(ratio=0.8, method="mask", score="magnitude"))
    expect(ann).to_contain_text("Nobody has submitted yet")
    submit(ann, "Ann")
    expect(ann.locator("tr[data-key='Ann']")).to_contain_text("(you)")

    bo = visit(techniques.get("weight_bits")(bits=4, method="nearest"))
    expect(bo.locator("tr[data-key='Ann']")).to_be_visible()
    expect(bo.locator("tr[data-key='Ann']")).not_to_contain_text("(you)")
    submit(bo, "Ann")
    expect(bo.get_by_role("alert").first).to_contain_text("is taken by somebody else")
    submit(bo, "Bo")
    expect(bo.locator("tr[data-key='Bo']")).to_contain_text("(you)")

    expect(ann.locator("tr[data-key='Bo']")).to_be_visible()  # by itself, without a click
    expect(ann.locator("tr[data-key='Bo']")).not_to_contain_text("(you)")
    ann.locator("tr[data-key='Bo']").get_by_role("button", name="Try it").click()
    expect(ann.page.get_by_label("Weight bits", exact=True).first).to_be_checked()
    expect(ann.page.get_by_label("Weight pruning", exact=True).first).not_to_be_checked()
    ann.page.screenshot(path=tmp_path / "board.png", full_page=True)
