"""The stakeholder dashboard as its visitor meets it: first figures, first answer to a click, and memory."""

from __future__ import annotations

import dataclasses
import statistics
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import _pages

from workbench.recipe import Recipe
from workbench.registry import techniques
from workbench.result import DataRef, Job, ModelRef
from workbench.run import run
from workbench.store import Store

VISITS = 5


def measure() -> Iterator[tuple[str, str]]:
    from playwright.sync_api import sync_playwright

    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        home = Path(folder)
        _fill(home)
        browser = playwright.chromium.launch(**_pages.BROWSER)
        with _pages.served(home, "serve", "stakeholder") as url:
            figures, answered = _visit(browser, url)
            words = f"first figures {figures:.1f} s, first click answered {answered:.1f} s"
            yield "stakeholder: right after the server has answered once (cold)", words
            times = []
            for _ in range(VISITS):
                _pages.rest(home)
                times.append(_visit(browser, url))
            for what, found in zip(("first figures", "first click answered"), zip(*times, strict=True), strict=True):
                told = (
                    f"median {statistics.median(found):.2f} s, {min(found):.2f} to {max(found):.2f} s ({VISITS} visits)"
                )
                yield f"stakeholder, preheated: {what}", told
            page = browser.new_page()
            page.goto(url)
            _figures(page).wait_for(timeout=60_000)
            page.get_by_role("button", name="Next question").click()
            page.wait_for_timeout(2000)
            memory = sorted(_pages.private_bytes(pid) for pid in _pages.kernels(home))
            yield "stakeholder: private memory of each kernel", ", ".join(f"{size / 1e6:.0f} MB" for size in memory)
        browser.close()


def _fill(home: Path) -> None:
    job = Job(model=ModelRef(name="digits-cnn"), data=DataRef(name="digits"))
    prune, bits = techniques.get("magnitude"), techniques.get("weight_bits")
    with Store(home / "results.sqlite3") as store:
        for steps in ((), (bits(bits=4),), (prune(ratio=0.8), bits(bits=3))):
            list(run(dataclasses.replace(job, recipe=Recipe(steps)), store=store))


def _visit(browser: object, url: str) -> tuple[float, float]:
    """Return seconds from the request to the first figures, and to the answer to a click made at once."""
    page = browser.new_page(viewport={"width": 1280, "height": 900})
    start = time.perf_counter()
    page.goto(url)
    _figures(page).wait_for(timeout=60_000)
    figures = time.perf_counter() - start
    page.get_by_role("button", name="Next question").click()
    page.locator(".dsw-answer").get_by_role("heading", name="What do we lose?").wait_for(timeout=60_000)
    answered = time.perf_counter() - start
    page.close()
    return figures, answered


def _figures(page: object) -> object:
    return page.locator(".dsw-answer .dsw-figure b").first
