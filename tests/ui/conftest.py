"""A real browser on a real server: the dashboard in Voila, and the same notebook in JupyterLab."""

from __future__ import annotations

import json
import os
import secrets
import socket
import subprocess
import sys
import time
import urllib.parse
from contextlib import contextmanager
from pathlib import Path

import pytest
from playwright.sync_api import Error, expect
from playwright.sync_api import TimeoutError as NotYet

from workbench.recipe import Recipe
from workbench.result import DataRef, Job, ModelRef
from workbench.run import run

ROOT = Path(__file__).parents[2]

PATIENCE_S = 60
"""How long the browser tests wait for what must come: the machine may be busy, and none of them measures speed."""

expect.set_options(timeout=1000 * PATIENCE_S)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def wait_until_served(url: str, process: subprocess.Popen, log: Path, seconds: float = 90) -> None:
    """Wait until somebody listens. Asking for the page would start a kernel for nobody."""
    address = urllib.parse.urlsplit(url)
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        assert process.poll() is None, f"the server ended:\n{log.read_text()}"
        try:
            socket.create_connection((address.hostname, address.port), timeout=2).close()
        except OSError:
            time.sleep(0.2)
        else:
            return
    pytest.fail(f"nothing is served after {seconds} s:\n{log.read_text()}")


def serve(arguments: list[str], url: str, home: Path, *, threads: int | None = 1):
    """Serve until the generator ends.

    Solved weights differ in their last bits between numbers of threads: one, as in the tests, makes both the same.
    With None the command decides, as for a person.
    """
    log = home / "server.log"
    environment = {**os.environ, "WORKBENCH_HOME": str(home), "PYTHONPATH": str(ROOT), "JUPYTER_CONFIG_DIR": str(home)}
    environment |= {"JUPYTER_DATA_DIR": str(home), "IPYTHONDIR": str(home)}
    environment.pop("OMP_NUM_THREADS", None)
    if threads is not None:
        environment["OMP_NUM_THREADS"] = str(threads)
    with log.open("w") as out:
        process = subprocess.Popen([sys.executable, *arguments], stdout=out, stderr=out, env=environment, cwd=home)
    (home / "server.pid").write_text(str(process.pid))
    try:
        wait_until_served(url, process, log)
        yield url
    finally:
        process.terminate()
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


@contextmanager
def served(home: Path, *arguments: str, threads: int | None = 1):
    """The address of what `workbench ARGUMENTS` serves, with results and settings in `home`."""
    port, token = free_port(), secrets.token_hex(8)
    command = ["-m", "workbench", *arguments, "--no-browser", "--port", str(port), "--token", token]
    yield from serve(command, f"http://127.0.0.1:{port}/?token={token}", home, threads=threads)


@pytest.fixture(scope="session")
def voila(tmp_path_factory):
    """The address of the dashboard as `workbench` serves it."""
    with served(tmp_path_factory.mktemp("voila")) as url:
        yield url


@pytest.fixture(scope="session")
def lab(tmp_path_factory):
    """The address of JupyterLab, see `serve_lab`."""
    yield from serve_lab(tmp_path_factory.mktemp("lab"))


def serve_lab(home: Path):
    """Serve JupyterLab as `workbench lab` opens it, but without a password, and with its insides within reach."""
    port = free_port()
    settings = {
        "IdentityProvider": {"token": ""},
        "ServerApp": {"password": ""},
        "LabApp": {"expose_app_in_browser": True},
    }
    (home / "jupyter_lab_config.json").write_text(json.dumps(settings))
    # a copy of the notebooks: JupyterLab saves what it has open
    arguments = ["-m", "workbench", "lab", "--no-browser", "--port", str(port), "--folder", str(home / "notebooks")]
    yield from serve(arguments, f"http://127.0.0.1:{port}/lab", home)


class Dashboard:
    """The page as a person uses it: by the names that it shows, and by keys."""

    def __init__(self, page, scope=None) -> None:
        self.page = page
        self.scope = scope or page.locator("body")

    def ready(self, seconds: float = 180) -> None:
        """Wait until the plot is there and the original was measured on all test images."""
        self.number("accuracy").wait_for(timeout=1000 * seconds)
        self.scope.locator(".js-plotly-plot .main-svg").first.wait_for(timeout=1000 * seconds)
        self.settled(seconds)

    def settled(self, seconds: float = PATIENCE_S) -> None:
        """Wait until no number is being counted any more."""
        self.page.wait_for_function(
            "() => { const a = document.querySelector('[data-estimate=accuracy]');"
            " return a && !a.textContent.includes('still counting') }",
            timeout=1000 * seconds,
        )

    def number(self, name: str):
        return self.scope.locator(f"[data-estimate={name}]").first

    def value(self, name: str) -> float:
        return float(self.number(name).get_attribute("data-value"))

    def wait_for_value(self, name: str, value: float, seconds: float = PATIENCE_S) -> None:
        """Wait until the number is exactly this one, and counted to its end."""
        self.page.wait_for_function(
            "([name, value]) => Number(document.querySelector(`[data-estimate=${name}]`)?.dataset.value) === value",
            arg=[name, value],
            timeout=1000 * seconds,
        )
        self.settled(seconds)

    def wait_for_change(self, name: str, old: float, seconds: float = PATIENCE_S) -> float:
        """Wait until the number is another than `old`; take `old` before what changes it, or it may be missed."""
        self.page.wait_for_function(
            "([name, old]) => { const a = document.querySelector(`[data-estimate=${name}]`);"
            " return a && Number(a.dataset.value) !== old && !a.textContent.includes('still counting') }",
            arg=[name, old],
            timeout=1000 * seconds,
        )
        self.settled(seconds)
        return self.value(name)

    @staticmethod
    def measured(*steps):
        """Return the final row of digits-cnn with these steps, from the engine itself."""
        job = Job(model=ModelRef(name="digits-cnn"), data=DataRef(name="digits"), recipe=Recipe(steps))
        *_, row = run(job)
        return row

    def tick(self, title: str) -> None:
        self.scope.get_by_label(title, exact=True).first.check()

    def slide(self, box: str, name: str, key: str, times: int) -> None:
        """Press a key on the slider `name` in the box of the technique titled `box`."""
        step = self.scope.locator(".dsw-step").filter(has=self.page.get_by_label(box, exact=True))
        self._press(step.get_by_role("slider", name=name, exact=True).first, key, times)

    def slide_any(self, name: str, key: str, times: int) -> None:
        """Press a key on the visible slider `name`."""
        self._press(self.scope.get_by_role("slider", name=name, exact=True).locator("visible=true"), key, times)

    def _press(self, handle, key: str, times: int) -> None:
        handle.focus()
        for _ in range(times):
            self.page.keyboard.press(key)
        self.page.wait_for_timeout(250)  # no hand is quicker from key to button; sliders send their last value late


MOST_TRIED_AGAIN = 3


def pytest_collection_modifyitems(items):
    """Try a browser test once more: on a busy machine a click may land where something was; the report names it."""
    for item in items:
        if item.get_closest_marker("ui"):
            item.add_marker(pytest.mark.flaky(reruns=1))


def pytest_sessionfinish(session):
    """Fail where many were tried again: that is no accident."""
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    if reporter and len(reporter.stats.get("rerun", ())) > MOST_TRIED_AGAIN:
        reporter.write_line(f"more than {MOST_TRIED_AGAIN} browser tests were tried again")
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


@pytest.fixture
def context(context):
    """The browser's context, with patience."""
    context.set_default_timeout(1000 * PATIENCE_S)
    return context


def _eventually(look, wanted, seconds: float = PATIENCE_S) -> None:
    """Look again and again until what is seen is `wanted`: messages to the page and drawings come one by one."""
    end = time.monotonic() + seconds
    while (seen := _looked(look)) != wanted:
        assert time.monotonic() < end, f"after {seconds} s it is {seen!r}, not {wanted!r}"
        time.sleep(0.1)


def _looked(look):
    try:
        return look()
    except Error as error:  # what is looked at may be drawn anew just now
        return error


@pytest.fixture(scope="session")
def eventually():
    """Waits until a look at the page sees what is wanted, or fails with what it saw last."""
    return _eventually


def _point(page, place) -> None:
    """Click on a plot at `place()`, in pixels of the window: where it hovers over something, and is not drawn anew."""
    for _ in range(20):
        x, y = place()
        page.mouse.move(x - 3, y)
        page.mouse.move(x, y)
        try:
            page.locator(".hovertext").first.wait_for(timeout=3000)
        except NotYet:
            continue
        if tuple(place()) == (x, y):
            page.mouse.click(x, y)
            return
    pytest.fail("nothing on the plot answers to the pointer")


@pytest.fixture(scope="session")
def point():
    """Clicks on what a plot has at a place."""
    return _point


@pytest.fixture
def dashboard(page, voila):
    """The dashboard in Voila, loaded and measured."""
    page.set_viewport_size({"width": 1280, "height": 1000})
    page.goto(voila, timeout=120_000)
    found = Dashboard(page)
    found.ready()
    return found


@pytest.fixture(scope="session")
def browser_tests():
    """This module, for tests that serve something of their own."""
    return sys.modules[__name__]


def _violations(page, within: str | None = None) -> list[str]:
    """Return what axe-core calls moderate, serious or critical, one line for each node; `within` is a selector.

    Frames are left out: the only one is Netron's drawing, whose numbers stand in the table beside it.
    """
    from axe_playwright_python.base import AXE_SCRIPT

    page.evaluate(AXE_SCRIPT)
    found = page.evaluate(
        "(within) => axe.run(within ?? document, { iframes: false, resultTypes: ['violations'] })", within
    )
    return [
        f"{rule['impact']} {rule['id']} at {node['target']}: {node['html'][:200]} {node['failureSummary']}"
        for rule in found["violations"]
        for node in rule["nodes"]
        if rule["impact"] != "minor"
    ]


@pytest.fixture(scope="session")
def violations():
    """Scans a page with axe-core."""
    return _violations


@pytest.fixture
def make_dashboard():
    """Makes a `Dashboard` of a page, perhaps within one part of it."""
    return Dashboard
