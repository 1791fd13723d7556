"""`make screenshots`: every dashboard and every lesson, light and dark, wide and narrow.

They go into `.screenshots`; words on the command line choose among them by name. With `--readme` the pictures of the
README are made instead, in `.github`.
"""

from __future__ import annotations

import dataclasses
import importlib.util
import re
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import Browser, Page, sync_playwright

from workbench import resources
from workbench.recipe import Recipe
from workbench.registry import techniques
from workbench.result import DataRef, Job, ModelRef
from workbench.run import run
from workbench.store import Store

ROOT = Path(__file__).parents[2]
PICTURES = ROOT / ".github"
LOADED = 180_000
"""Milliseconds that a page may take on a busy computer."""


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


def dashboard_picture(ui: object, page: Page) -> None:
    """Take a picture of the whole dashboard after the story."""
    story(ui, page)
    page.screenshot(path=PICTURES / "dashboard.png")


def graph_picture(ui: object, page: Page) -> None:
    """Factor and round the layers, and take a picture of the network beside its original."""
    dashboard = ui.Dashboard(page)
    dashboard.ready()
    panel = _panel(page, "Graph")
    panel.get_by_role("button", name="Show the graph").click()
    panel.get_by_role("radio", name="Side by side").click()
    _compressed(dashboard, page)
    panel.get_by_text(re.compile(r"^\d+ operators; the original has \d+")).wait_for(timeout=60_000)
    panel.locator("tr[data-key='conv2.0']").click()
    page.wait_for_timeout(1500)
    page.mouse.move(1, 1)
    panel.screenshot(path=PICTURES / "graph.png")


def devices_picture(ui: object, page: Page) -> None:
    """Factor and round the layers, and take a picture of what the network takes on each device."""
    dashboard = ui.Dashboard(page)
    dashboard.ready()
    panel = _panel(page, "On other devices")
    panel.get_by_role("button", name="Show the devices").click()
    _compressed(dashboard, page)
    page.wait_for_timeout(2500)
    page.mouse.move(1, 1)
    panel.screenshot(path=PICTURES / "devices.png")


def _panel(page: Page, title: str) -> object:
    return page.locator(".dsw-panel").filter(has=page.get_by_role("heading", name=title, exact=True))


def _compressed(dashboard: object, page: Page) -> None:
    for technique in ("Low rank", "Weight bits"):
        dashboard.tick(technique)
        page.wait_for_timeout(800)
        dashboard.settled()


def workbench_page(ui: object, page: Page) -> None:
    """Tell the story, on the page of all panels."""
    page.set_viewport_size({"width": 1280, "height": 2600})
    story(ui, page)


def stakeholder_page(ui: object, page: Page) -> None:
    """Wait for the first answer."""
    page.locator(".dsw-answer .dsw-figure b").first.wait_for(timeout=60_000)


def compare_page(ui: object, page: Page) -> None:
    """Wait until both networks have run over the test images."""
    page.get_by_role("heading", name="Alarms").wait_for(timeout=120_000)
    page.locator(".dsw-flip img").first.wait_for(timeout=60_000)


def other_page(ui: object, page: Page) -> None:
    """Wait until the sliders of a lesson have their numbers and its plots are drawn."""
    ui.Dashboard(page).ready()
    page.wait_for_timeout(3000)


PAGES = {"workbench": workbench_page, "stakeholder": stakeholder_page, "compare": compare_page}
"""What has to happen on a page before its picture is taken."""


def _fill(home: Path, harmed: bool) -> None:
    """Store what a dashboard of results shows: a network and smaller versions of it, at last one that forgot much."""
    job = Job(model=ModelRef(name="digits-cnn"), data=DataRef(name="digits"))
    prune, bits = techniques.get("magnitude"), techniques.get("weight_bits")
    forgetful = (prune(ratio=0.8, method="mask", score="magnitude"),)
    good = ((bits(bits=4),), (prune(ratio=0.8), bits(bits=3)), (prune(ratio=0.9), bits(bits=2)))
    with Store(home / "results.sqlite3") as store:
        for steps in ((), *good, *([forgetful] if harmed else [])):
            list(run(dataclasses.replace(job, recipe=Recipe(steps)), store=store))


def pictures_of_readme(ui: object, browser: Browser) -> None:
    """Make the pictures of the README."""
    PICTURES.mkdir(exist_ok=True)
    with _served(ui, resources.dashboard()) as url:
        for height, picture in ((820, dashboard_picture), (1000, graph_picture), (1600, devices_picture)):
            page = browser.new_page(viewport={"width": 1280, "height": height})
            page.goto(url, timeout=LOADED)
            picture(ui, page)
            page.close()
    with _served(ui, resources.dashboard().with_name("stakeholder.ipynb")) as url:
        page = browser.new_page(viewport={"width": 1280, "height": 760})
        page.goto(url, timeout=LOADED)
        stakeholder_page(ui, page)
        page.wait_for_timeout(1000)
        page.screenshot(path=PICTURES / "stakeholder.png")
        page.close()
    with _served(ui, resources.notebooks() / "lessons" / "02-pruning.ipynb") as url:
        page = browser.new_page(viewport={"width": 1280, "height": 1100})
        page.goto(url, timeout=LOADED)
        lesson_picture(ui, page)
        page.close()
    lab_picture(ui, browser)


def lab_picture(ui: object, browser: Browser) -> None:
    """Run the workbench's notebook in JupyterLab, prune and round, and take a picture of it."""
    with tempfile.TemporaryDirectory() as home:
        serving = ui.serve_lab(Path(home))
        url = next(serving)
        page = browser.new_page(viewport={"width": 1400, "height": 900})
        page.goto(f"{url}/workspaces/workbench", timeout=LOADED)
        page.wait_for_function("() => window.jupyterapp?.shell.currentWidget?.context", timeout=LOADED)
        page.evaluate(
            "async () => { const app = window.jupyterapp, panel = app.shell.currentWidget;"
            " await panel.context.ready; await panel.sessionContext.ready;"
            " await panel.sessionContext.session.kernel.info; await app.commands.execute('notebook:run-all-cells') }"
        )
        dashboard = ui.Dashboard(page, page.locator(".jp-OutputArea-output").filter(has=page.locator(".dsw-app")))
        dashboard.ready()
        for technique in ("Weight pruning", "Weight bits"):
            dashboard.tick(technique)
            page.wait_for_timeout(2000)
            dashboard.settled()
        page.evaluate("() => { document.activeElement.blur(); document.querySelector('.dsw-app').scrollIntoView() }")
        page.wait_for_timeout(3000)
        page.screenshot(path=PICTURES / "lab.png")
        page.close()
        serving.close()


def lesson_picture(ui: object, page: Page) -> None:
    """Prune in the second lesson, and take a picture of its sliders and their plot."""
    other_page(ui, page)
    dashboard = ui.Dashboard(page)
    dashboard.tick("Weight pruning")
    dashboard.slide("Weight pruning", "Ratio (%)", "ArrowRight", 20)
    dashboard.settled()
    page.wait_for_timeout(3000)
    page.evaluate("() => { document.activeElement.blur(); scrollTo(0, 0) }")
    page.mouse.move(1, 1)
    page.screenshot(path=PICTURES / "lesson.png")


def pictures_of_all(ui: object, browser: Browser, only: tuple[str, ...]) -> None:
    """Make pictures of the dashboards and lessons with one of these words in their names, light and dark."""
    folder = ROOT / ".screenshots"
    folder.mkdir(exist_ok=True)
    for notebook in sorted(resources.notebooks().rglob("*.ipynb")):
        if only and not any(word in notebook.stem for word in only):
            continue
        with _served(ui, notebook) as url:
            for theme in ("light", "dark"):
                page = browser.new_page(viewport={"width": 1280, "height": 1000})
                page.goto(f"{url}&theme={theme}", timeout=LOADED)
                PAGES.get(notebook.stem, other_page)(ui, page)
                for width in (1280, 768):
                    _unrolled(page, width)
                    page.screenshot(path=folder / f"{notebook.stem}-{theme}-{width}.png")
                page.close()
        print(notebook.stem, flush=True)  # noqa: T201


def _unrolled(page: Page, width: int) -> None:
    """Make the window as high as what Voila scrolls inside of the page."""
    page.set_viewport_size({"width": width, "height": 1000})
    page.wait_for_timeout(1000)
    height = page.evaluate(
        "Math.max(...[...document.querySelectorAll('.jp-Cell, .dsw')].map(e => e.getBoundingClientRect().bottom))"
    )
    page.set_viewport_size({"width": width, "height": min(int(height) + 40, 12_000)})
    page.wait_for_timeout(1500)


@contextmanager
def _served(ui: object, notebook: Path) -> Iterator[str]:
    """The address of a notebook as `workbench serve` serves it."""
    with tempfile.TemporaryDirectory() as home:
        _fill(Path(home), harmed=notebook.stem == "compare")
        with ui.served(Path(home), "serve", str(notebook), threads=None) as url:
            yield url


def main(readme: bool, only: tuple[str, ...]) -> None:
    ui = _browser_tests()
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path="/usr/bin/chromium", args=["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"]
        )
        if readme:
            pictures_of_readme(ui, browser)
        else:
            pictures_of_all(ui, browser, only)
        browser.close()


if __name__ == "__main__":
    main("--readme" in sys.argv, tuple(word for word in sys.argv[1:] if not word.startswith("--")))
