"""`make screenshots`: the real dashboard with a short story on it, light and dark, wide and narrow.

They go into `.screenshots`. With `--readme` the picture of the README is made instead.
"""

from __future__ import annotations

import importlib.util
import re
import secrets
import sys
import tempfile
from pathlib import Path

from playwright.sync_api import Page, sync_playwright

ROOT = Path(__file__).parents[2]
README = ROOT / ".github" / "dashboard.png"


def _browser_tests() -> object:
    spec = importlib.util.spec_from_file_location("ui_conftest", Path(__file__).parent / "conftest.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def story(ui: object, page: Page) -> object:
    """Prune and round in a few steps, save points on the way, then let a teacher repair the network."""
    dashboard = ui.Dashboard(page)
    dashboard.ready()
    dashboard.tick("Weight pruning")
    dashboard.slide("Weight pruning", "Ratio (%)", "ArrowRight", 15)
    page.wait_for_timeout(800)
    dashboard.tick("Weight bits")
    page.wait_for_timeout(800)
    for _ in range(2):
        page.get_by_role("button", name="Save this point").click()
        page.wait_for_timeout(800)
        dashboard.slide("Weight bits", "Bits", "ArrowLeft", 2)
        page.wait_for_timeout(800)
    dashboard.slide("Weight pruning", "Ratio (%)", "ArrowRight", 15)
    page.wait_for_timeout(800)
    page.get_by_role("button", name="Save this point").click()
    page.get_by_role("button", name="Train", exact=True).click()
    page.get_by_text(re.compile("^done")).wait_for(timeout=120_000)
    page.evaluate(
        "() => { document.activeElement.blur(); document.querySelectorAll('*').forEach(e => { e.scrollTop = 0 }) }"
    )
    page.mouse.move(1, 1)
    page.wait_for_timeout(800)
    return dashboard


def main(readme: bool) -> None:
    ui = _browser_tests()
    port, token = ui.free_port(), secrets.token_hex(8)
    url = f"http://127.0.0.1:{port}/?token={token}"
    with tempfile.TemporaryDirectory() as home, sync_playwright() as playwright:
        served = ui.serve(["-m", "workbench", "--no-browser", "--port", str(port), "--token", token], url, Path(home))
        next(served)
        browser = playwright.chromium.launch(
            executable_path="/usr/bin/chromium", args=["--no-sandbox", "--disable-gpu"]
        )
        if readme:
            page = browser.new_page(viewport={"width": 1280, "height": 820})
            page.goto(url)
            story(ui, page)
            README.parent.mkdir(exist_ok=True)
            page.screenshot(path=README)
        else:
            folder = ROOT / ".screenshots"
            folder.mkdir(exist_ok=True)
            for theme in ("light", "dark"):
                page = browser.new_page(viewport={"width": 1280, "height": 2600})
                page.goto(f"{url}&theme={theme}")
                story(ui, page)
                page.screenshot(path=folder / f"workbench-{theme}-1280.png")
                page.set_viewport_size({"width": 768, "height": 3000})
                page.wait_for_timeout(1000)
                page.screenshot(path=folder / f"workbench-{theme}-768.png")
                page.close()
        browser.close()
        served.close()


if __name__ == "__main__":
    main("--readme" in sys.argv[1:])
