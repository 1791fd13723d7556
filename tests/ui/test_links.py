"""Links and the map of provenance in a real browser: a page opens with one, makes one; one pick marks all panels."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import expect

from workbench.link import fragment, read
from workbench.recipe import Recipe
from workbench.registry import techniques
from workbench.result import DataRef, Job, ModelRef

pytestmark = [pytest.mark.ui, pytest.mark.slow]

PRUNED, ROUNDED = techniques.get("magnitude")(ratio=0.8), techniques.get("weight_bits")(bits=4)


def link(*steps):
    """The fragment of a job of digits-cnn."""
    return fragment(Job(model=ModelRef(name="digits-cnn"), data=DataRef(name="digits"), recipe=Recipe(steps)))


def go(page, end):
    """Give the open page another fragment, as a person does who pastes a link into the address bar."""
    page.evaluate("end => { location.hash = end }", end)


def panel(page, title):
    return page.locator(".dsw-panel").filter(has=page.get_by_role("heading", name=title, exact=True))


def slider(page, box, name):
    step = page.locator(".dsw-step").filter(has=page.get_by_label(box, exact=True))
    return step.get_by_role("slider", name=name, exact=True).first


def test_a_fresh_page_opens_with_the_recipe_of_its_link(page, voila, make_dashboard):
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page.set_viewport_size({"width": 1280, "height": 1000})
    page.goto(voila + link(PRUNED, ROUNDED))
    dashboard = make_dashboard(page)
    dashboard.ready()
    expect(page.get_by_label("Weight pruning", exact=True).first).to_be_checked()
    expect(page.get_by_label("Weight bits", exact=True).first).to_be_checked()
    expect(slider(page, "Weight pruning", "Ratio (%)")).to_have_attribute("aria-valuetext", "80")

    panel(page, "Accuracy against cost").get_by_role("button", name="Copy link").click()
    page.get_by_text("Link copied. The password in this page's address is left out").wait_for()
    copied = page.evaluate("navigator.clipboard.readText()")
    assert "token" not in copied
    assert copied.startswith(voila.partition("?")[0])
    assert read(copied).recipe == Recipe((PRUNED, ROUNDED))


def test_a_broken_link_says_so_and_leaves_the_sliders(dashboard):
    page = dashboard.page
    go(page, link(PRUNED))
    expect(page.get_by_label("Weight pruning", exact=True).first).to_be_checked()
    dashboard.settled()
    go(page, link(PRUNED, ROUNDED)[:-7])
    expect(page.get_by_role("alert")).to_contain_text("nothing has changed. The end of this link is missing")
    expect(page.get_by_label("Weight pruning", exact=True).first).to_be_checked()
    expect(page.get_by_label("Weight bits", exact=True).first).not_to_be_checked()
    go(page, link(ROUNDED))
    expect(page.get_by_label("Weight bits", exact=True).first).to_be_checked()
    expect(page.get_by_role("alert")).to_have_count(0)


def test_without_a_clipboard_the_link_stands_in_a_field(dashboard):
    page = dashboard.page
    page.evaluate("() => Object.defineProperty(navigator, 'clipboard', { value: undefined })")
    plot = panel(page, "Accuracy against cost")
    plot.get_by_role("button", name="Copy link").click()
    field = plot.get_by_label("Link", exact=True)
    expect(field).to_be_focused()
    assert read(field.input_value()).recipe == Recipe()
    assert "token" not in field.input_value()


def test_a_pick_on_the_map_marks_the_plot_and_the_table(dashboard, eventually, tmp_path):
    page = dashboard.page
    size = dashboard.value("size_bytes")
    for steps in ((PRUNED,), (PRUNED, ROUNDED)):
        go(page, link(*steps))
        size = dashboard.wait_for_change("size_bytes", size)
    page.get_by_role("button", name="Save this point").click()
    panel(page, "History").get_by_role("button", name="Show the history").click()
    panel(page, "History").locator("tr[data-key]").first.wait_for()

    home = panel(page, "Where results come from")
    home.get_by_role("button", name="Show the map").click()
    saved = home.get_by_role("button", name="Weight pruning (ratio 80 %) → weight bits (bits 4)").first
    key = saved.get_attribute("data-key")
    saved.click()
    expect(saved).to_have_attribute("aria-pressed", "true")
    expect(page.locator(f"tr[data-key='{key}']").first).to_have_class("dsw-selected")
    ring = (
        "() => { const t = document.querySelector('.js-plotly-plot').data.find(t => t.name === 'looked at');"
        " return Array.from(t.x._inputArray ?? t.x) }"
    )
    eventually(lambda: page.evaluate(ring), [dashboard.value("size_bytes")])
    page.screenshot(path=tmp_path / "map.png", full_page=True)

    saved.focus()
    page.keyboard.press("ArrowLeft")
    page.keyboard.press("Enter")
    expect(home.get_by_role("button", pressed=True)).to_have_accessible_name(
        re.compile(r"^Weight pruning \(ratio 80 %\)(?! →)")
    )
    expect(page.locator(f"tr.dsw-selected[data-key='{key}']")).to_have_count(0)
    home.get_by_role("button", name="Restore").click()
    expect(page.get_by_label("Weight bits", exact=True).first).not_to_be_checked()
