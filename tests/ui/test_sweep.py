"""The panel of sweeps in a real browser: by names and keys, from Start to points that are saved."""

from __future__ import annotations

import re

import pytest

pytestmark = [pytest.mark.ui, pytest.mark.slow]


def test_a_sweep_in_processes_brings_saved_points(dashboard):
    page = dashboard.page
    panel = page.locator(".dsw-panel").filter(has=page.get_by_role("heading", name="Sweep", exact=True))
    panel.get_by_role("button", name="Show the sweep").focus()
    page.keyboard.press("Enter")
    panel.get_by_label("Vary", exact=True).select_option(label="Weight bits: bits")
    panel.get_by_text("8 recipes: these values put into the original.").wait_for()
    panel.get_by_label("Where", exact=True).select_option(label="Processes on this machine")
    panel.get_by_role("button", name="Start", exact=True).click()
    panel.get_by_text(re.compile("^done: 8 measured and saved")).wait_for(timeout=300_000)
    saved = page.locator(".dsw-panel").filter(has=page.get_by_role("heading", name="History", exact=True))
    saved.get_by_role("button", name="Show the history").click()
    for bits in range(1, 9):
        saved.get_by_text(f"weight bits (bits {bits})", exact=True).wait_for()
