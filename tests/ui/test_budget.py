"""A size budget, Auto-compress, Cancel, and the best so far after a reload, in a real browser."""

from __future__ import annotations

import re

import pytest

pytestmark = [pytest.mark.ui, pytest.mark.slow]


def test_the_best_so_far_survives_a_cancel_and_a_reload(dashboard, make_dashboard):
    page = dashboard.page
    panel = page.locator(".dsw-panel").filter(has_text="What can you afford?")
    panel.get_by_role("button", name="Show the search").click()
    panel.get_by_label("File at most (kB)").fill("30")
    panel.get_by_label("Points to lose").fill("")
    page.keyboard.press("Tab")
    panel.get_by_role("button", name="Auto-compress").click()
    panel.locator("tbody tr").first.wait_for(timeout=120_000)
    panel.get_by_role("button", name="Cancel").click()
    panel.get_by_text("stopped: the best so far is a saved point").wait_for()
    chosen = panel.locator("li").filter(has_text="Chosen:")
    assert "weight bits" in chosen.text_content().lower()
    told = panel.locator("li").filter(has_text="test images").text_content()
    size = re.search(r"in ([\d,]+) bytes", told)[1]
    dashboard.wait_for_value("size_bytes", float(size.replace(",", "")))  # it is what the page shows now

    page.reload(timeout=120_000)
    again = make_dashboard(page)
    again.ready()
    assert again.value("size_bytes") > 100_000  # the sliders are those of a new page
    history = page.locator(".dsw-panel").filter(has=page.get_by_role("heading", name="History", exact=True))
    history.get_by_role("button", name="Show the history").click()
    history.locator("tbody tr").filter(has_text="weight bits").first.wait_for()
    page.wait_for_function(
        "size => { const t = document.querySelector('.js-plotly-plot').data.find(t => t.name === 'saved');"
        " return Array.from(t.x._inputArray ?? t.x).includes(size) }",
        arg=float(size.replace(",", "")),
    )


def test_the_size_slider_moves_the_point(dashboard):
    page = dashboard.page
    panel = page.locator(".dsw-panel").filter(has_text="What can you afford?")
    panel.get_by_role("button", name="Show the search").click()
    panel.get_by_role("button", name="Prepare the size slider").click()
    panel.get_by_text("done: the slider moves along the best plans").wait_for(timeout=240_000)
    handle = panel.get_by_role("slider", name="Size budget", exact=True)
    before = dashboard.value("size_bytes")
    handle.focus()
    page.keyboard.press("End")
    for _ in range(8):
        page.keyboard.press("ArrowLeft")
    after = dashboard.wait_for_change("size_bytes", before, 60)
    assert after < before
    panel.get_by_text("The best plan for").wait_for()
