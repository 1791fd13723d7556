"""The layer view in a real browser: opened, read, and one layer changed, by keys and by a click on a bar."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

pytestmark = [pytest.mark.ui, pytest.mark.slow]

ROWS = 4
"""Layers of digits-cnn: conv1, conv2, conv3, linear."""


def bars(page, column):
    """The bars of a column, as the browser has them."""
    return page.evaluate(
        "name => { const x = document.querySelector('.dsw-layers .js-plotly-plot').data.find(t => t.name === name).x;"
        " return Array.from(x._inputArray ?? x) }",
        column,
    )


def click_row(page, number, point):
    """Click on the bar of a layer, in the column of its output errors."""

    def place():
        box = page.locator(".dsw-layers .js-plotly-plot").bounding_box()
        return box["x"] + 0.8 * box["width"], box["y"] + 4 + (box["height"] - 8) / ROWS * (number + 0.5)

    page.locator(".dsw-layers .js-plotly-plot").scroll_into_view_if_needed()
    point(page, place)


def test_one_layer_is_picked_by_keys_and_by_a_click_and_gets_bits_of_its_own(dashboard, point, eventually, tmp_path):
    page = dashboard.page
    page.get_by_role("button", name="Show the layers").focus()
    page.keyboard.press("Enter")
    page.get_by_text("4 layers of the original").wait_for()
    eventually(lambda: bars(page, "Bits"), [32] * ROWS)
    width = page.locator(".dsw-layers").bounding_box()["width"]
    filled = "least => document.querySelector('.dsw-layers .main-svg').getBoundingClientRect().width > least"
    page.wait_for_function(filled, arg=width - 40)  # plotly starts at a width of its own, then fills the panel

    choice = page.get_by_label("Look at layer")
    choice.focus()
    page.keyboard.press("ArrowDown")
    page.get_by_text("conv2: Conv2d 3x3, 48 x 24 x 3 x 3").wait_for()
    click_row(page, 3, point)
    page.get_by_text("linear: Linear, 10 x 256").wait_for()
    expect(choice).to_have_value("linear")

    off = page.get_by_text("Weight bits is off; moving this switches it on for this layer alone.")
    off.locator("visible=true").wait_for()  # the panel of sensitivity has the same words, folded away
    dashboard.slide_any("Bits of this layer", "ArrowLeft", 6)  # from 32 over 16, 8, 7, 6, 5 to 4
    page.get_by_text("4 layers of weight bits (bits 32, layers linear:4)").wait_for()
    eventually(lambda: bars(page, "Bits"), [32, 32, 32, 4])
    page.locator(".dsw-layers").get_by_text("linear ●").wait_for()
    expect(page.get_by_label("Weight bits", exact=True).first).to_be_checked()
    page.screenshot(path=tmp_path / "layers.png", full_page=True)

    page.get_by_role("button", name="Follow the general setting").locator("visible=true").click()
    page.get_by_text("4 layers of the original").wait_for()
    eventually(lambda: bars(page, "Bits"), [32] * ROWS)
    expect(page.get_by_label("Weight bits", exact=True).first).not_to_be_checked()
