"""The panel of architectures in a real browser: a search begins, shows points of both arms, and is cancelled."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import expect

pytestmark = [pytest.mark.ui, pytest.mark.slow]


def test_a_search_is_started_and_cancelled(dashboard, tmp_path):
    page = dashboard.page
    panel = page.locator(".dsw-panel").filter(
        has=page.get_by_role("heading", name="Search for a smaller architecture", exact=True)
    )
    panel.get_by_role("button", name="Show the search").focus()
    page.keyboard.press("Enter")
    expect(panel.get_by_text("Searched on digits.")).to_be_visible()
    panel.get_by_role("checkbox", name="5", exact=True).uncheck()
    expect(panel.get_by_role("slider", name="Candidates")).to_be_visible()
    panel.get_by_role("button", name="Search", exact=True).click()
    panel.get_by_text(re.compile("[2-9] networks judged")).wait_for(timeout=240_000)
    expect(panel.locator(".js-plotly-plot .main-svg").first).to_be_visible()
    panel.get_by_role("button", name="Cancel").click()
    panel.get_by_text("cancelled; what was tried is shown").wait_for()
    expect(panel.get_by_role("button", name="Train fully and use this network")).to_be_enabled()
    expect(panel.get_by_label("Network", exact=True).locator("option").first).to_contain_text("kernel=3")
    panel.screenshot(path=tmp_path / "architectures.png")
