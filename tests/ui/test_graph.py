"""The graph in a real browser: Netron draws every operator, rows and nodes mark each other, and nothing calls home."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import expect

from workbench.drawing import drawn
from workbench.recipe import Recipe
from workbench.registry import techniques
from workbench.result import DataRef, Job, ModelRef

pytestmark = [pytest.mark.ui, pytest.mark.slow]

NODE = "#target svg .graph-node"
SELECTED = "#target svg .graph-node.select"
ICON_FONT = "https://cdn.jsdelivr.net/npm/@fortawesome/"
"""What Voila's own template asks for; the page does without."""


def operators(*steps):
    """How many operators digits-cnn runs with these steps."""
    job = Job(model=ModelRef(name="digits-cnn"), data=DataRef(name="digits"), recipe=Recipe(steps))
    return drawn(job).compressed.operators


def panel_of(dashboard):
    heading = dashboard.page.get_by_role("heading", name="Graph", exact=True)
    return dashboard.scope.locator(".dsw-panel").filter(has=heading)


def frame(panel, title):
    return panel.frame_locator(f"iframe[title='Graph: {title}']")


def opened(dashboard):
    """The panel, unfolded, and the frame of the compressed network with its graph."""
    panel = panel_of(dashboard)
    panel.get_by_role("button", name="Show the graph").click()
    graph = frame(panel, "the compressed network")
    expect(graph.locator(NODE)).to_have_count(operators())
    return panel, graph


def row(panel, layer):
    return panel.locator(f"tr[data-key='{layer}']")


def test_every_operator_is_drawn_and_rows_and_nodes_mark_each_other(dashboard, tmp_path):
    page = dashboard.page
    asked = []
    page.on("request", lambda request: asked.append(request.url))
    panel, graph = opened(dashboard)
    expect(graph.get_by_text(re.compile("cookies|newest version"))).to_have_count(0)

    row(panel, "conv3").click()
    expect(graph.locator(SELECTED)).to_have_attribute("id", "node-name-conv3")
    expect(graph.locator(SELECTED)).to_be_in_viewport()
    expect(panel.locator("tr.dsw-selected")).to_contain_text("conv3")

    graph.locator("#node-name-conv2 .node-item-type").click()
    expect(panel.locator("tr.dsw-selected")).to_contain_text("conv2")
    page.get_by_role("button", name="Show the layers").click()
    expect(page.get_by_label("Look at layer")).to_have_value("conv2")
    sidebar = graph.locator("#sidebar")
    expect(sidebar.locator("input[value='bytes_in_file']")).to_be_visible()
    expect(sidebar.locator("input[value='MACs']")).to_be_visible()
    page.screenshot(path=tmp_path / "graph.png", full_page=True)

    panel.get_by_role("button", name="MACs").click()
    expect(panel.get_by_role("row").nth(1)).to_contain_text("conv2")
    here = re.compile(r"(http|ws)://127\.0\.0\.1|data:|blob:")
    assert [url for url in asked if not here.match(url) and not url.startswith(ICON_FONT)] == []


def test_sliders_swap_the_graph_and_factors_are_marked_as_one_layer(dashboard, tmp_path):
    page = dashboard.page
    panel, graph = opened(dashboard)
    widths = graph.locator("#node-name-conv2")
    expect(widths).to_contain_text("48×24×3×3")
    dashboard.tick("Channel pruning")
    expect(widths).not_to_contain_text("48×24×3×3")
    dashboard.settled(60)
    page.get_by_label("Channel pruning", exact=True).first.uncheck()
    expect(widths).to_contain_text("48×24×3×3")

    dashboard.tick("Low rank")
    split = operators(techniques.get("low_rank")())
    expect(graph.locator(NODE)).to_have_count(split)
    panel.get_by_role("radio", name="Side by side").click()
    base = frame(panel, "the original")
    expect(base.locator(NODE)).to_have_count(operators())
    expect(graph.locator(NODE)).to_have_count(split)
    row(panel, "conv2.1").click()
    expect(graph.locator(SELECTED)).to_have_attribute("id", "node-name-conv2.1")
    expect(base.locator(SELECTED)).to_have_attribute("id", "node-name-conv2")
    page.screenshot(path=tmp_path / "side-by-side.png", full_page=True)


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_it_follows_the_theme_and_fits_narrow_pages(page, voila, make_dashboard, eventually, tmp_path, theme):
    page.set_viewport_size({"width": 1280, "height": 1000})
    page.goto(f"{voila}&theme={theme}")
    dashboard = make_dashboard(page)
    dashboard.ready()
    panel, graph = opened(dashboard)
    colour = {"light": "rgb(255, 255, 255)", "dark": "rgb(30, 30, 30)"}[theme]
    expect(graph.locator("html")).to_have_css("background-color", colour)
    panel.get_by_role("radio", name="Side by side").click()
    expect(frame(panel, "the original").locator(NODE)).to_have_count(operators())
    for width in (1280, 420):
        page.set_viewport_size({"width": width, "height": 1400})
        eventually(lambda: panel.evaluate("e => e.scrollWidth <= e.clientWidth + 1"), True)
        panel.screenshot(path=tmp_path / f"graph-{theme}-{width}.png")


def test_it_works_under_a_prefix(page, tmp_path_factory, browser_tests, make_dashboard):
    port = browser_tests.free_port()
    notebook = browser_tests.ROOT / "notebooks" / "dashboards" / "workbench.ipynb"
    url = f"http://127.0.0.1:{port}/user/abc/"
    arguments = ["-m", "voila", str(notebook), "--no-browser", f"--port={port}", "--Voila.token="]
    arguments += ["--Voila.base_url=/user/abc/"]
    server = browser_tests.serve(arguments, url, tmp_path_factory.mktemp("prefix"))
    try:
        page.goto(next(server))
        dashboard = make_dashboard(page)
        dashboard.ready()
        opened(dashboard)
    finally:
        server.close()


def test_lab_draws_it_too(page, lab, make_dashboard):
    page.set_viewport_size({"width": 1500, "height": 1100})
    page.goto(f"{lab}/workspaces/graph/tree/dashboards/workbench.ipynb?reset")
    page.wait_for_function("() => window.jupyterapp && window.jupyterapp.shell.currentWidget?.context", timeout=90_000)
    page.evaluate(
        "async () => { const app = window.jupyterapp, panel = app.shell.currentWidget;"
        " await panel.context.ready; await panel.sessionContext.ready; await panel.sessionContext.session.kernel.info;"
        " await app.commands.execute('notebook:run-all-cells') }"
    )
    dashboard = make_dashboard(page, page.locator(".jp-OutputArea-output").filter(has=page.locator(".dsw-app")))
    dashboard.ready()
    panel, graph = opened(dashboard)
    row(panel, "linear").click()
    expect(graph.locator(SELECTED)).to_have_attribute("id", "node-name-linear")
    page.evaluate("() => window.jupyterapp.commands.execute('apputils:change-theme', { theme: 'JupyterLab Dark' })")
    expect(graph.locator("html")).to_have_css("background-color", "rgb(30, 30, 30)")
