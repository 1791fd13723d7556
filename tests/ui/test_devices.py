"""The table of devices in a real browser: opened, sorted, and following a slider."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

pytestmark = [pytest.mark.ui, pytest.mark.slow]


def test_the_table_follows_a_slider(dashboard, tmp_path):
    page = dashboard.page
    page.get_by_role("button", name="Show the devices").focus()
    page.keyboard.press("Enter")
    page.get_by_text("Modelled for the original: it runs on 10 of 12 devices.").wait_for()
    panel = page.locator(".dsw-panel").filter(has_text="On other devices")
    line = panel.get_by_role("row").filter(has_text="STM32F446RE")
    expect(line).to_contain_text("164 kB")
    expect(panel.get_by_role("row").filter(has_text="Edge TPU").get_by_role("cell").last).to_have_text("no")
    expect(panel.get_by_text("Not on Coral Edge TPU (USB)")).to_contain_text("it computes in int8 only")

    dashboard.tick("Weight bits")
    page.get_by_text("Modelled for weight bits").wait_for()
    expect(line).to_contain_text("41.9 kB")
    dashboard.tick("Activation bits")
    page.get_by_text("it runs on 12 of 12 devices").wait_for()

    panel.get_by_role("button", name="One image").click()
    expect(panel.locator("tbody tr").first).to_contain_text(" µs (")
    panel.get_by_role("button", name="STM32F446RE (Nucleo)").click()
    panel.get_by_text("Figures and their sources").click()
    expect(panel.get_by_role("link", name="arxiv.org").first).to_be_visible()
    panel.get_by_text("Figures and their sources").click()
    expect(panel.locator(".js-plotly-plot .main-svg").first).to_be_visible()
    page.set_viewport_size({"width": 1280, "height": 1800})
    panel.scroll_into_view_if_needed()
    panel.screenshot(path=tmp_path / "devices.png")
