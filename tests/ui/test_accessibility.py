"""What axe-core finds on each dashboard, light and dark, wide and narrow; and the page by keys alone."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

import pytest
from playwright.sync_api import expect

from workbench.recipe import Recipe
from workbench.registry import techniques
from workbench.result import DataRef, Job, ModelRef
from workbench.run import run
from workbench.store import Store

pytestmark = [pytest.mark.ui, pytest.mark.slow]


@dataclass(frozen=True)
class Visited:
    """A notebook under `notebooks/`, and a selector of what is there when its page is ready."""

    notebook: str
    ready: str


WORKBENCH = Visited("dashboards/workbench.ipynb", ".dsw-app [data-estimate=accuracy]")
PAGES = (
    Visited("dashboards/stakeholder.ipynb", ".dsw-answer .dsw-figure"),
    Visited("dashboards/compare.ipynb", ".dsw-answer .dsw-figure"),
    WORKBENCH,
)
THEMES = ("dark", "light")
"""The last of the last is the page that the other tests go on with."""


@pytest.fixture(scope="module")
def stored(tmp_path_factory):
    """A home whose store knows a network and two smaller versions of it, measured."""
    home = tmp_path_factory.mktemp("accessible")
    prune, bits = techniques.get("magnitude"), techniques.get("weight_bits")
    job = Job(model=ModelRef(name="digits-mlp"), data=DataRef(name="digits"))
    with Store(home / "results.sqlite3") as store:
        for steps in ((), (bits(bits=4),), (prune(ratio=0.8), bits(bits=3))):
            [*run(dataclasses.replace(job, recipe=Recipe(steps)), store=store)]
    return home


@pytest.fixture(scope="module")
def served(stored, browser_tests):
    """One server for all notebooks, as on Binder: Voila within a Jupyter server."""
    port = browser_tests.free_port()
    arguments = ["-m", "jupyter_server", "--no-browser", "--allow-root", f"--ServerApp.port={port}"]
    arguments += [f"--ServerApp.root_dir={browser_tests.ROOT / 'notebooks'}"]
    arguments += ["--IdentityProvider.token=", "--ServerApp.password=", "--NotebookClient.iopub_timeout=120"]
    yield from browser_tests.serve(arguments, f"http://127.0.0.1:{port}/", stored)


@pytest.fixture(scope="module")
def visit(browser, served):
    """Opens a notebook in a theme with all that folds opened; the page stays for whoever asks for the same next."""
    shown = {}

    def opened(visited: Visited, theme: str):
        if (visited, theme) not in shown:
            for page in shown.values():
                page.close()
            shown.clear()
            page = browser.new_page(viewport={"width": 1280, "height": 1000})
            page.goto(f"{served}voila/render/{visited.notebook}?theme={theme}", timeout=180_000)
            page.locator(visited.ready).first.wait_for(timeout=180_000)
            unfold(page)
            shown[visited, theme] = page
        page = shown[visited, theme]
        page.set_viewport_size({"width": 1280, "height": 1000})
        return page

    yield opened
    for page in shown.values():
        page.close()


def whole(page, width: int) -> None:
    """Make the window as high as what is in it: axe-core judges no colour that lies outside of it."""
    page.set_viewport_size({"width": width, "height": 1000})
    page.wait_for_timeout(500)
    height = page.evaluate("document.getElementById('rendered_cells').scrollHeight")
    page.set_viewport_size({"width": width, "height": height + 20})
    page.wait_for_timeout(500)


def unfold(page) -> None:
    """Open each folded panel, switch on a technique with all its settings, open what explains; wait until it stands."""
    for button in page.locator(".dsw-heading button.dsw-link").all():
        button.click()
    if page.get_by_label("Weight pruning", exact=True).count():
        size = page.locator("[data-estimate=size_bytes]").first
        before = size.get_attribute("data-value")
        page.get_by_label("Weight pruning", exact=True).first.check()
        expect(size).not_to_have_attribute("data-value", before)  # the kernel has heard
        page.get_by_role("button", name="More settings").locator("visible=true").first.click()
    page.evaluate("() => document.querySelectorAll('.dsw details').forEach((each) => { each.open = true })")
    page.wait_for_function(
        "() => !document.querySelector('.js-plotly-plot:not(:has(.main-svg))')"
        " && ![...document.querySelectorAll('[role=status]')].some((e) => e.textContent.includes('still counting'))",
        timeout=180_000,
    )
    for name in ("Save this point", "Measure", "Export"):  # while something is computed they take no focus
        for button in page.get_by_role("button", name=name, exact=True).all():
            expect(button).to_be_enabled(timeout=180_000)
    page.wait_for_timeout(1000)


@pytest.mark.parametrize("theme", THEMES)
@pytest.mark.parametrize("visited", PAGES, ids=lambda visited: visited.notebook)
def test_axe_finds_nothing_serious(visit, violations, visited, theme):
    page = visit(visited, theme)
    assert page.evaluate("document.body.dataset.jpThemeLight") == str(theme == "light").lower()
    for width in (1280, 400):  # where it is narrow, more scrolls
        whole(page, width)
        assert violations(page) == [], f"{width} pixels wide"


def test_the_page_folds_and_never_scrolls_sideways(visit):
    page = visit(WORKBENCH, "light")
    for width, columns in ((1280, 2), (760, 1), (600, 1), (400, 1)):
        page.set_viewport_size({"width": width, "height": 900})
        page.wait_for_timeout(500)
        tracks = page.evaluate("getComputedStyle(document.querySelector('.dsw-app')).gridTemplateColumns")
        assert len(tracks.split()) == columns, width
        too_wide = []
        for _ in range(40):  # plots take their new width one after the other
            too_wide = page.evaluate(
                "() => [document.documentElement, document.body, document.getElementById('rendered_cells'),"
                " ...document.querySelectorAll('.dsw-panel')]"
                ".filter((e) => e.scrollWidth > Math.min(e.clientWidth, innerWidth) + 1)"
                ".map((e) => e.innerText.slice(0, 40))"
            )
            if not too_wide:
                break
            page.wait_for_timeout(250)
        assert too_wide == [], width


def test_reduced_motion_stops_all_motion_on_the_page(visit):
    page = visit(WORKBENCH, "light")
    page.emulate_media(reduced_motion="reduce")
    moving = page.evaluate(
        "() => [...document.querySelectorAll('.dsw, .dsw *')].map((e) => [e, getComputedStyle(e)])"
        ".filter(([e, s]) => s.animationName !== 'none' || s.transitionDuration.split(',').some((t) => parseFloat(t)))"
        ".map(([e]) => e.outerHTML.slice(0, 80))"
    )
    assert moving == []


FOCUSED = """
() => {
  const e = document.activeElement, s = getComputedStyle(e), ring = e.querySelector?.(".dsw-ring");
  const drawn = parseFloat(s.outlineWidth) >= 2 && s.outlineStyle !== "none";
  const label = e.getAttribute("aria-label") || e.labels?.[0]?.textContent || e.textContent || e.title || "";
  return {
    name: label.trim(), ours: Boolean(e.closest(".dsw")), frame: e.tagName === "IFRAME",
    visible: drawn || Boolean(ring && getComputedStyle(ring).stroke !== "none"),
    html: e.outerHTML.slice(0, 120),
  };
}
"""


def walk(page, most: int = 600) -> list[dict]:
    """Return what Tab reaches, from the page's first choice on until it is there again or has left the page."""
    page.evaluate("() => { document.activeElement?.blur(); document.getSelection().removeAllRanges() }")
    page.locator("select").first.focus()
    reached, away = [], 0
    while len(reached) < most and away < 5:  # what is drawn anew loses the focus for a moment
        reached.append(page.evaluate(FOCUSED))
        page.keyboard.press("Tab")
        away = away + 1 if page.evaluate("() => document.activeElement === document.body") else 0
    return reached


def test_keys_alone_reach_everything_with_a_visible_focus(visit):
    page = visit(WORKBENCH, "light")
    wanted = {"Model", "Ratio (%)", "Save this point", "Measure", "Train", "Export", "Hide the history"}
    names = set()
    for _ in range(3):  # a button takes no focus while what it stands for is computed
        reached = [each for each in walk(page) if each["ours"]]
        assert [each["html"] for each in reached if not each["name"] and not each["frame"]] == []
        assert [each["html"] for each in reached if not each["visible"] and not each["frame"]] == []
        names |= {each["name"] for each in reached}
        if names >= wanted:
            break
    assert names >= wanted


def test_keys_alone_move_sliders_ticks_folds_and_choices(visit):
    page = visit(WORKBENCH, "light")
    slider = page.get_by_role("slider", name="Ratio (%)", exact=True).locator("visible=true").first
    slider.focus()
    before = slider.get_attribute("aria-valuenow")
    page.keyboard.press("ArrowRight")
    expect(slider).not_to_have_attribute("aria-valuenow", before)
    tick = page.get_by_label("Weight bits", exact=True).first
    tick.focus()
    page.keyboard.press("Space")
    expect(tick).to_be_checked()
    fold = page.get_by_role("button", name="Hide the history")
    fold.focus()
    page.keyboard.press("Enter")
    page.get_by_role("button", name="Show the history", expanded=False).wait_for()
    choice = page.get_by_role("radio", name="Side by side")
    choice.focus()
    page.keyboard.press("Enter")
    page.get_by_role("radio", name="Side by side", checked=True).wait_for()


def test_the_scan_sees_what_is_planted(visit, violations):
    page = visit(WORKBENCH, "light")
    whole(page, 1280)
    page.evaluate(
        "() => { const panels = document.querySelectorAll('.dsw-panel');"
        " panels[0].insertAdjacentHTML('afterbegin', '<button data-planted></button>');"
        " panels[panels.length - 1].insertAdjacentHTML('afterbegin',"
        " '<p data-planted style=\"color: #bbb\">pale</p>') }"
    )
    found = " ".join(violations(page, "[data-planted]"))
    assert "button-name" in found
    assert "color-contrast" in found
