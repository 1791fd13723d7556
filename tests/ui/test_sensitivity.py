"""The panel of sensitivity in a real browser: opened, measured, a cell clicked, and a layer protected."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

pytestmark = [pytest.mark.ui, pytest.mark.slow]

ROWS = 4
"""Layers of digits-cnn: conv1, conv2, conv3, linear."""


def cells(page):
    """The texts of the heat map, as the browser has them."""
    return page.evaluate(
        "() => { const plots = [...document.querySelectorAll('.js-plotly-plot')];"
        " const heat = plots.flatMap(plot => plot.data).find(trace => trace.type === 'heatmap');"
        " return heat ? heat.text.flatMap(row => Array.from(row)) : [] }"
    )


def test_cells_fill_and_a_click_picks_the_layer_that_is_protected(dashboard, point, eventually, tmp_path):
    page = dashboard.page
    title = page.get_by_role("heading", name="Sensitivity of layers", exact=True)
    panel = page.locator(".dsw-panel").filter(has=title)
    panel.get_by_role("button", name="Show the sensitivity").focus()
    page.keyboard.press("Enter")
    panel.get_by_role("button", name="Measure the layers").click()
    panel.get_by_text("done", exact=True).wait_for(timeout=180_000)
    eventually(lambda: len([cell for cell in cells(page) if cell]), 3 * ROWS)
    panel.get_by_text("Spearman").wait_for()

    area = panel.locator(".js-plotly-plot").first.locator(".nsewdrag").first
    area.scroll_into_view_if_needed()

    def place():
        box = area.bounding_box()
        return box["x"] + box["width"] / 2, box["y"] + box["height"] / ROWS * 2.5

    point(page, place)
    page.wait_for_function(
        "() => [...document.querySelectorAll('.dsw-panel select')].some(choice => choice.value === 'conv3')"
    )
    protect = panel.get_by_role("button", name="Protect this layer")
    protect.click()
    expect(protect).to_be_disabled()
    expect(page.get_by_label("Weight bits", exact=True).first).to_be_checked()
    panel.get_by_text("Weight bits: a setting of its own.").wait_for()
    panel.screenshot(path=tmp_path / "sensitivity.png")
