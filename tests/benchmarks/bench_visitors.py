"""Ten visitors on one server, who come one after the other and then all move a slider for a minute.

Their browsers take part of the same two cores. A move is one key on a slider of digits-cnn; it counts from the key to
the first answer in the plot of that page. Kernels prepare slider positions meanwhile, as they do for anybody.
"""

from __future__ import annotations

import asyncio
import random
import statistics
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import _pages

VISITORS = 10
SECONDS = 60
PAUSE = (1.0, 3.0)
"""Seconds for which a visitor looks at the answer before the next move."""
STUCK_S = 20
READY = "a => { const e = document.querySelector('[data-estimate=accuracy]'); return e && e.checkVisibility(); }"


def measure() -> Iterator[tuple[str, str]]:
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        with _pages.served(home) as url:
            yield from asyncio.run(_all(url, home))


async def _all(url: str, home: Path) -> list[tuple[str, str]]:
    from playwright.async_api import async_playwright

    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(**_pages.BROWSER)
        opened, pages = [], []
        for _ in range(VISITORS):
            start = time.perf_counter()
            pages.append(await _open(browser, url))
            opened.append(time.perf_counter() - start)
        errors: list[str] = []
        for page in pages:
            page.on("pageerror", lambda error: errors.append(str(error)))
        memory = [_pages.private_bytes(pid) for pid in _pages.kernels(home)]
        moves = await asyncio.gather(*(_moves(page, random.Random(seed)) for seed, page in enumerate(pages)))
        times = sorted(taken for each in moves for taken in each)
        stuck = sum(taken >= 1000 * STUCK_S for taken in times)
        refused = 0
        for page in pages:
            refused += await page.locator(".dsw-error:visible").count()
            await page.close(run_before_unload=False)
        await browser.close()
    left = time.perf_counter()
    while len(_pages.kernels(home)) > 1 and time.perf_counter() - left < 60:
        await asyncio.sleep(0.5)
    within = sum(taken < 1000 for taken in times) / len(times)
    title = f"{VISITORS} visitors at once"
    return [
        (
            f"{title}: until a page shows its first number and has a slider to move",
            f"median {statistics.median(opened):.0f} s, the slowest {max(opened):.0f} s",
        ),
        (f"{title}: {len(times)} moves in {SECONDS} s", f"{_pages.spread(times)}; {100 * within:.1f} % under 1 s"),
        (
            f"{title}: stuck for over {STUCK_S} s, errors of pages, sentences of refusal",
            f"{stuck}, {len(errors)}, {refused}",
        ),
        (f"{title}: private memory of kernels", f"{sum(memory) / 1e9:.2f} GB, at most {max(memory) / 1e6:.0f} MB each"),
        (
            f"{title}: kernels after they left",
            f"{len(_pages.kernels(home))} (one is kept ready), {time.perf_counter() - left:.0f} s later",
        ),
    ]


async def _open(browser: object, url: str) -> object:
    context = await browser.new_context(viewport={"width": 1280, "height": 1000})
    page = await context.new_page()
    await page.goto(url, timeout=240_000)
    await page.wait_for_function(READY, timeout=240_000)
    for step in ("Weight bits", "Weight pruning"):
        await page.get_by_label(step, exact=True).first.check(timeout=120_000)
    await page.locator(".js-plotly-plot .main-svg").first.wait_for()
    return page


async def _moves(page: object, draw: random.Random) -> list[float]:
    """Return the milliseconds that each move took."""
    await page.evaluate(_pages.WATCH)
    step = page.locator(".dsw-step").filter(has=page.get_by_label("Weight pruning", exact=True))
    await step.get_by_role("slider", name="Ratio (%)", exact=True).first.focus()
    taken, end, key = [], time.perf_counter() + SECONDS, "ArrowRight"
    while time.perf_counter() < end:
        key = draw.choice(["ArrowRight", "ArrowRight", "ArrowLeft"])
        await page.keyboard.press(key)
        try:
            await page.wait_for_function("() => window.bench.changed > window.bench.pressed", timeout=1000 * STUCK_S)
            taken.append(await page.evaluate("() => window.bench.answered - window.bench.pressed"))
        except Exception as error:
            if type(error).__name__ != "TimeoutError":
                raise
            taken.append(1000.0 * STUCK_S)
        await asyncio.sleep(draw.uniform(*PAUSE))
    return taken
