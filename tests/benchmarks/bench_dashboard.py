"""The dashboard as a visitor meets it: time to the first paint, from a key to the plot, and memory."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import _pages

from workbench.recipe import Recipe
from workbench.registry import techniques
from workbench.result import DataRef, Job, ModelRef
from workbench.run import run

PRESSES = 60


def opening(ui: object, page: object, url: str) -> tuple[object, str]:
    start = time.perf_counter()
    page.goto(url)
    page.locator(".dsw-app").wait_for(timeout=90_000)
    paint = time.perf_counter() - start
    dashboard = ui.Dashboard(page)
    dashboard.ready()
    ready = time.perf_counter() - start
    size = dashboard.value("size_bytes")
    dashboard.tick("Weight bits")
    dashboard.wait_for_change("size_bytes", size)
    answered = time.perf_counter() - start
    return (
        dashboard,
        f"first paint {paint:.1f} s, original measured {ready:.1f} s, first slider answered {answered:.1f} s",
    )


def presses(dashboard: object, page: object) -> str:
    dashboard.tick("Weight pruning")
    dashboard.settled()
    page.wait_for_timeout(500)
    dashboard.slide("Weight pruning", "Ratio (%)", "ArrowLeft", 20)  # from 30 % on each step changes the file
    page.wait_for_timeout(1000)
    page.evaluate(_pages.WATCH)
    first, last = [], []
    for _ in range(PRESSES):
        page.keyboard.press("ArrowRight")
        page.wait_for_function("() => window.bench.changed > window.bench.pressed", timeout=20_000)
        dashboard.settled()
        page.wait_for_timeout(150)  # the last change is what was asked for, on the whole test set
        first.append(page.evaluate("() => window.bench.answered - window.bench.pressed"))
        last.append(page.evaluate("() => window.bench.changed - window.bench.pressed"))
    return f"first point {_pages.spread(first)}; what was asked for, on all images, {_pages.spread(last)}"


def burst(dashboard: object, page: object) -> str:
    dashboard.slide("Weight pruning", "Ratio (%)", "ArrowLeft", 20)
    page.wait_for_timeout(1500)
    pruned = techniques.get("magnitude")(ratio=0.2)
    recipe = Recipe((pruned, techniques.get("weight_bits")()))
    *_, row = run(Job(model=ModelRef(name="digits-cnn"), data=DataRef(name="digits"), recipe=recipe))
    start = time.perf_counter()
    for _ in range(50):
        page.keyboard.press("ArrowLeft")
    sent = time.perf_counter()
    page.wait_for_function(  # the server may use another number of threads, whose last bits are others
        "n => Math.abs(Number(document.querySelector('[data-estimate=size_bytes]').dataset.value) - n) < 0.003 * n",
        arg=row.estimates["size_bytes"].value,
    )
    end = time.perf_counter()
    last, first = 1000 * (end - sent), 1000 * (end - start)
    return f"last value shown {last:.0f} ms after the last key, {first:.0f} ms after the first"


def measure() -> Iterator[tuple[str, str]]:
    from playwright.sync_api import sync_playwright

    ui = _pages.browser_tests()
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        home, start = Path(folder), time.perf_counter()
        with _pages.served(home) as url:
            yield "dashboard: server answers after", f"{time.perf_counter() - start:.1f} s"
            browser = playwright.chromium.launch(**_pages.BROWSER)
            page = browser.new_page(viewport={"width": 1280, "height": 1000})
            _, told = opening(ui, page, url)
            yield "dashboard: right after the start (cold)", told
            _pages.rest(home)
            page = browser.new_page(viewport={"width": 1280, "height": 1000})
            dashboard, told = opening(ui, page, url)
            yield "dashboard: with a preheated kernel", told
            yield "dashboard: key press to plot, digits-cnn, 600 images, real bytes", presses(dashboard, page)
            yield "dashboard: a burst of 50 keys", burst(dashboard, page)
            memory = sorted(_pages.private_bytes(pid) for pid in _pages.kernels(home))
            yield (
                "dashboard: private memory of each kernel (visitors and one preheated)",
                ", ".join(f"{size / 1e6:.0f} MB" for size in memory),
            )
            browser.close()
