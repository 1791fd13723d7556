"""JupyterLab as `workbench lab` opens it: its first layout, tiles, a second view of a panel, and both themes."""

from __future__ import annotations

import urllib.parse

import pytest
from playwright.sync_api import expect

pytestmark = [pytest.mark.ui, pytest.mark.slow]

OUTPUT = ".jp-OutputArea-output"
RUN_ALL = (
    "async () => { const app = window.jupyterapp, panel = app.shell.currentWidget;"
    " await panel.context.ready; await panel.sessionContext.ready; await panel.sessionContext.session.kernel.info;"
    " await app.commands.execute('notebook:run-all-cells') }"
)


def shows(page, path: str) -> None:
    """Wait until a notebook is what JupyterLab shows in front."""
    page.wait_for_function(
        "(path) => window.jupyterapp?.shell.currentWidget?.context?.path === path", arg=path, timeout=90_000
    )


def test_it_opens_on_the_workbench_with_the_notebooks_beside_it(page, lab):
    page.set_viewport_size({"width": 1500, "height": 1000})
    page.goto(urllib.parse.urljoin(lab, "/"))
    shows(page, "dashboards/workbench.ipynb")
    page.wait_for_url("**/lab/workspaces/workbench**")
    browser = page.locator(".jp-FileBrowser")
    for folder in ("dashboards", "lessons"):
        expect(browser.get_by_text(folder, exact=True)).to_be_visible()


def test_a_tile_opens_a_lesson_that_works_in_two_views_and_both_themes(
    page, lab, make_dashboard, violations, eventually, tmp_path
):
    page.set_viewport_size({"width": 1700, "height": 1100})
    page.goto(f"{lab}/workspaces/tiles?reset")
    launcher = page.locator(".jp-Launcher")
    for label in ("Workbench", "Lessons", "For stakeholders"):
        expect(launcher.get_by_text(label, exact=True)).to_be_visible(timeout=90_000)
    page.screenshot(path=tmp_path / "launcher.png")
    launcher.get_by_text("Lessons", exact=True).click()
    shows(page, "lessons/01-why-smaller.ipynb")
    expect(page.locator(".jp-FileBrowser").get_by_text("02-pruning.ipynb", exact=True)).to_be_visible()

    page.set_viewport_size({"width": 1700, "height": 3000})  # axe-core judges no colour outside of the window
    page.evaluate(RUN_ALL)
    play = page.locator(".jp-Notebook " + OUTPUT).filter(has=page.locator(".js-plotly-plot"))
    dashboard = make_dashboard(page, play)
    dashboard.ready()
    page.evaluate(
        "async () => { const app = window.jupyterapp, content = app.shell.currentWidget.content;"
        " content.activeCellIndex = content.widgets.findIndex((cell) => cell.node.querySelector('.js-plotly-plot'));"
        " await app.commands.execute('notebook:create-output-view') }"
    )
    view = page.locator(".jp-LinkedOutputView")
    view.locator(".js-plotly-plot .main-svg").first.wait_for()
    before = dashboard.value("size_bytes")
    view.get_by_label("Weight bits", exact=True).check()
    after = dashboard.wait_for_change("size_bytes", before)
    assert after < before
    other = view.locator("[data-estimate=size_bytes]")
    eventually(lambda: float(other.get_attribute("data-value")), after)
    assert violations(page, OUTPUT) == []

    page.evaluate("() => window.jupyterapp.commands.execute('apputils:change-theme', { theme: 'JupyterLab Dark' })")
    for plot in (play, view):
        ink = plot.locator(".js-plotly-plot .xtitle").first
        expect(ink).to_have_css("fill", "rgb(232, 232, 232)")
    page.screenshot(path=tmp_path / "two-views.png")
    assert violations(page, OUTPUT) == []
    page.evaluate("() => window.jupyterapp.commands.execute('apputils:change-theme', { theme: 'JupyterLab Light' })")
    expect(view.locator(".js-plotly-plot .xtitle").first).to_have_css("fill", "rgb(26, 26, 26)")
