"""The history in a real browser: what a slider measured is found, marked, still there after a reload, and restored."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import expect

from workbench.registry import techniques

pytestmark = [pytest.mark.ui, pytest.mark.slow]


def test_a_star_and_a_note_stay_and_a_row_goes_back_into_the_sliders(dashboard, tmp_path):
    page = dashboard.page
    dashboard.tick("Weight pruning")
    dashboard.slide("Weight pruning", "Ratio (%)", "ArrowLeft", 10)  # others drag to the right, and are remembered too
    panel = page.locator(".dsw-panel").filter(has=page.get_by_role("heading", name="History", exact=True))
    panel.get_by_role("button", name="Show the history").click()
    newest = panel.locator("tbody tr").first
    expect(newest).to_contain_text("weight pruning (ratio 40 %)")
    size = dashboard.measured(techniques.get("magnitude")(ratio=0.4)).estimates["size_bytes"].value
    dashboard.wait_for_value("size_bytes", size)
    star = newest.get_by_role("button", name=re.compile("^Star"))
    star.focus()
    page.keyboard.press("Enter")
    expect(star).to_have_attribute("aria-pressed", "true")
    expect(star).to_be_focused()
    newest.locator("td").first.click()
    note = panel.get_by_label("Note", exact=True)
    note.fill("=a note to stay")
    note.press("Enter")
    expect(newest).to_contain_text("=a note to stay")

    page.reload()
    dashboard.ready()
    panel.get_by_role("button", name="Show the history").click()
    panel.get_by_label("Only with a star").check()
    expect(panel.locator("tbody tr")).to_have_count(1)
    kept = panel.locator("tbody tr").first
    expect(kept).to_contain_text("=a note to stay")
    panel.get_by_role("button", name=re.compile("^Accuracy")).click()
    expect(panel.locator("th[aria-sort=descending]")).to_contain_text("Accuracy")
    with page.expect_download() as download:
        panel.get_by_role("button", name="Export CSV").click()
    download.value.save_as(tmp_path / "history.csv")
    assert "'=a note to stay" in (tmp_path / "history.csv").read_text()

    kept.get_by_role("button", name=re.compile("^Restore")).click()
    dashboard.wait_for_value("size_bytes", size)
    handle = page.locator(".dsw-step").filter(has=page.get_by_label("Weight pruning", exact=True))
    slider = handle.get_by_role("slider", name="Ratio (%)", exact=True).first
    expect(slider).to_have_attribute("aria-valuetext", re.compile("40"))
