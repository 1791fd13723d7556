"""Ten visitors on one server, who come one after the other and then all move a slider for a minute.

One has a browser on the machine that is measured; the others, as real visitors do, have theirs elsewhere: they speak to
the server as a browser does, and draw nothing. A move is one step of a slider of digits-cnn; it counts from the key to
the first answer in the plot, or to the first message with new numbers.
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
from _visitor import Visitor

from workbench.measure._intervals import wilson

VISITORS = 10
SECONDS = 60
PAUSE = (1.0, 3.0)
"""Seconds for which a visitor looks at the answer before the next move."""
STUCK_S = 20
STEPS = (1, 1, -1)
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
        opened, errors, visitors = [], [], []
        start = time.perf_counter()
        page = await _open(browser, url, errors)
        opened.append(time.perf_counter() - start)
        for _ in range(VISITORS - 1):
            start = time.perf_counter()
            visitors.append(await _come(url))
            opened.append(time.perf_counter() - start)
        memory = [_pages.private_bytes(pid) for pid in _pages.kernels(home)]
        walks = [_moves(page, random.Random(0))]
        walks += [_steps(visitor, random.Random(seed)) for seed, visitor in enumerate(visitors, start=1)]
        seen, *told = await asyncio.gather(*walks)
        refused = await page.locator(".dsw-error:visible").all_inner_texts()
        await page.close(run_before_unload=False)
        await browser.close()
        for visitor in visitors:
            errors += visitor.errors
            refused += visitor.refusals
            await visitor.close()
    left = time.perf_counter()
    while len(_pages.kernels(home)) > 1 and time.perf_counter() - left < 60:
        await asyncio.sleep(0.5)
    title, told = f"{VISITORS} visitors at once", [taken for each in told for taken in each]
    stuck = sum(taken >= 1000 * STUCK_S for taken in (*seen, *told))
    return [
        (
            f"{title}: until a page shows its first number and has a slider to move",
            f"median {statistics.median(opened):.0f} s, the slowest {max(opened):.0f} s",
        ),
        (f"{title}: {len(told)} moves in {SECONDS} s, browsers elsewhere", _within(told)),
        (f"{title}: {len(seen)} moves of the one with a browser here, until drawn", _within(seen)),
        (
            f"{title}: stuck for over {STUCK_S} s, errors of pages, sentences of refusal",
            ", ".join(str(each) for each in (stuck, errors or 0, refused or 0)),
        ),
        (f"{title}: private memory of kernels", f"{sum(memory) / 1e9:.2f} GB, at most {max(memory) / 1e6:.0f} MB each"),
        (
            f"{title}: kernels after they left",
            f"{len(_pages.kernels(home))} (one is kept ready), {time.perf_counter() - left:.0f} s later",
        ),
    ]


def _within(times: list[float]) -> str:
    quick = sum(taken < 1000 for taken in times)
    low, high = wilson(quick, len(times))
    share = f"{100 * quick / len(times):.1f} % (95 %: {100 * low:.1f} to {100 * high:.1f} %)"
    return f"{_pages.spread(times)}; {share} under 1 s"


async def _come(url: str) -> Visitor:
    visitor = Visitor(url)
    await visitor.open()
    await visitor.until(lambda: bool(visitor.numbers))
    for technique in ("Weight bits", "Weight pruning"):
        visitor.tick(technique)
    await visitor.until(lambda: visitor.slider("Weight pruning", "Ratio (%)") is not None)
    return visitor


async def _steps(visitor: Visitor, draw: random.Random) -> list[float]:
    """Return the milliseconds that each move took until new numbers came."""
    slider = visitor.slider("Weight pruning", "Ratio (%)")
    taken, end = [], time.perf_counter() + SECONDS
    while time.perf_counter() < end:
        visitor.press(slider, draw.choice(STEPS))
        try:
            taken.append(1000 * await visitor.until(lambda: visitor.answered, STUCK_S))
        except TimeoutError:
            taken.append(1000.0 * STUCK_S)
        await asyncio.sleep(draw.uniform(*PAUSE))
    return taken


async def _open(browser: object, url: str, errors: list[str]) -> object:
    context = await browser.new_context(viewport={"width": 1280, "height": 1000})
    page = await context.new_page()
    page.on("pageerror", lambda error: errors.append(str(error)))
    await page.goto(url, timeout=240_000)
    await page.wait_for_function(READY, timeout=240_000)
    for step in ("Weight bits", "Weight pruning"):
        await page.get_by_label(step, exact=True).first.check(timeout=120_000)
    await page.locator(".js-plotly-plot .main-svg").first.wait_for()
    return page


async def _moves(page: object, draw: random.Random) -> list[float]:
    """Return the milliseconds that each move took until it was drawn."""
    await page.evaluate(_pages.WATCH)
    step = page.locator(".dsw-step").filter(has=page.get_by_label("Weight pruning", exact=True))
    await step.get_by_role("slider", name="Ratio (%)", exact=True).first.focus()
    taken, end = [], time.perf_counter() + SECONDS
    while time.perf_counter() < end:
        await page.keyboard.press("ArrowRight" if draw.choice(STEPS) > 0 else "ArrowLeft")
        try:
            await page.wait_for_function("() => window.bench.changed > window.bench.pressed", timeout=1000 * STUCK_S)
            taken.append(await page.evaluate("() => window.bench.answered - window.bench.pressed"))
        except Exception as error:
            if type(error).__name__ != "TimeoutError":
                raise
            taken.append(1000.0 * STUCK_S)
        await asyncio.sleep(draw.uniform(*PAUSE))
    return taken
