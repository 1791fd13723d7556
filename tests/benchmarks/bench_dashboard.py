"""The dashboard as a visitor meets it: time to the first paint, from a key to the plot, and memory."""

from __future__ import annotations

import importlib.util
import secrets
import statistics
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from workbench.recipe import Recipe
from workbench.registry import techniques
from workbench.result import DataRef, Job, ModelRef
from workbench.run import run

HERE = Path(__file__).parent
PRESSES = 60

WATCH = """
() => {
  const plot = document.querySelector('.js-plotly-plot');
  const first = v => Array.from(v._inputArray ?? v)[0];
  const now = () => { const t = plot.data.find(t => t.name === 'now'); return first(t.x) + '/' + first(t.y) + '/' +
    first(t.error_y.arrayminus); };
  window.bench = { pressed: 0, changed: 0, last: now() };
  document.addEventListener('keydown', () => { window.bench.pressed = performance.now(); }, true);
  plot.on('plotly_afterplot', () => {
    if (now() !== window.bench.last) { window.bench.last = now(); window.bench.changed = performance.now(); }
  });
}
"""


def _browser_tests() -> object:
    """The page object of the browser tests: the benchmark drives the page as they do."""
    spec = importlib.util.spec_from_file_location("ui_conftest", HERE.parent / "ui" / "conftest.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def kernels(server: int) -> list[int]:
    """Process ids of the kernels below a server."""
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            status = (entry / "stat").read_text().rpartition(")")[2].split()
            command = (entry / "cmdline").read_bytes()
        except OSError:
            continue
        if int(status[1]) == server and b"ipykernel" in command:
            found.append(int(entry.name))
    return found


def private_bytes(pid: int) -> int:
    """Memory that this process shares with no other."""
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    return 1024 * sum(int(line.split()[1]) for line in lines if line.startswith("Private"))


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
    page.evaluate(WATCH)
    times = []
    for _ in range(PRESSES):
        page.keyboard.press("ArrowRight")
        page.wait_for_function("() => window.bench.changed > window.bench.pressed", timeout=20_000)
        dashboard.settled()
        page.wait_for_timeout(150)  # a later, tighter row counts: the last change is the whole test set
        times.append(page.evaluate("() => window.bench.changed - window.bench.pressed"))
    times.sort()
    return f"median {statistics.median(times):.0f} ms, 95 % {times[int(0.95 * len(times))]:.0f} ms"


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
    page.wait_for_function(
        "n => Number(document.querySelector('[data-estimate=size_bytes]').dataset.value) === n",
        arg=row.estimates["size_bytes"].value,
    )
    end = time.perf_counter()
    last, first = 1000 * (end - sent), 1000 * (end - start)
    return f"last value shown {last:.0f} ms after the last key, {first:.0f} ms after the first"


def measure() -> Iterator[tuple[str, str]]:
    from playwright.sync_api import sync_playwright

    ui = _browser_tests()
    port, token = ui.free_port(), secrets.token_hex(8)
    url = f"http://127.0.0.1:{port}/?token={token}"
    arguments = ["-m", "workbench", "--no-browser", "--port", str(port), "--token", token]
    with tempfile.TemporaryDirectory() as home, sync_playwright() as playwright:
        served = ui.serve(arguments, url, Path(home))
        start = time.perf_counter()
        next(served)
        yield "dashboard: server answers after", f"{time.perf_counter() - start:.1f} s"
        browser = playwright.chromium.launch(
            executable_path="/usr/bin/chromium",
            args=["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--disable-background-networking"],
        )
        page = browser.new_page(viewport={"width": 1280, "height": 1000})
        _, told = opening(ui, page, url)
        yield "dashboard: right after the start (cold)", told
        time.sleep(15)  # the pool has another kernel ready by then
        page = browser.new_page(viewport={"width": 1280, "height": 1000})
        dashboard, told = opening(ui, page, url)
        yield "dashboard: with a preheated kernel", told
        yield "dashboard: key press to plot, digits-cnn, 600 images, real bytes", presses(dashboard, page)
        yield "dashboard: a burst of 50 keys", burst(dashboard, page)
        server = int(Path(home, "server.pid").read_text())
        memory = sorted(private_bytes(pid) for pid in kernels(server))
        yield (
            "dashboard: private memory of each kernel (visitors and one preheated)",
            ", ".join(f"{size / 1e6:.0f} MB" for size in memory),
        )
        browser.close()
        served.close()
