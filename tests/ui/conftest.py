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
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


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


@pytest.fixture(scope="session")
def voila(tmp_path_factory):
    """The address of the dashboard as `workbench` serves it."""
    port, token = free_port(), secrets.token_hex(8)
    arguments = ["-m", "workbench", "--no-browser", "--port", str(port), "--token", token]
    yield from serve(arguments, f"http://127.0.0.1:{port}/?token={token}", tmp_path_factory.mktemp("voila"))


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

    def settled(self, seconds: float = 30) -> None:
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

    def wait_for_change(self, name: str, old: float, seconds: float = 30) -> float:
        self.page.wait_for_function(
            "([name, old]) => { const a = document.querySelector(`[data-estimate=${name}]`);"
            " return a && Number(a.dataset.value) !== old && !a.textContent.includes('still counting') }",
            arg=[name, old],
            timeout=1000 * seconds,
        )
        self.settled()
        return self.value(name)

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
