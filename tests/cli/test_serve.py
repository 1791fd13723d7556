"""`workbench`, `workbench serve` and `workbench lab`: who may see what, and where."""

from __future__ import annotations

import copy
import json
import os
import re
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from http.cookiejar import CookieJar
from pathlib import Path

import nbformat
import pytest

from workbench import resources
from workbench.cli._list import templates, title
from workbench.cli.exits import Exit
from workbench.cli.serve import EXTENSIONS, Address, _arguments, _free, _named, _notebooks, _settings
from workbench.errors import Refused

ROOT = Path(__file__).parents[2]


def test_the_next_free_port_is_taken() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        found = _free(Address(ip="127.0.0.1", port=port, browser=False, token="t"))
    assert port < found.port < port + 50


def test_an_address_that_is_not_ours_is_refused() -> None:
    for ip in ("192.0.2.1", "::2"):
        with pytest.raises(Refused, match=rf"'{re.escape(ip)}' is no address of this computer .* --ip"):
            _free(Address(ip=ip, port=8866, browser=False, token=""))


@pytest.mark.parametrize(
    ("ip", "token", "url"),
    [
        ("127.0.0.1", "a b", "http://127.0.0.1:1/?token=a+b"),
        ("::1", "", "http://[::1]:1/"),
        ("0.0.0.0", "t", "http://127.0.0.1:1/?token=t"),
    ],
)
def test_the_address_to_open(ip: str, token: str, url: str) -> None:
    assert Address(ip=ip, port=1, browser=False, token=token).url == url


def test_the_dashboard_is_served_for_strangers() -> None:
    settings = _settings(resources.dashboard())
    assert "@voila-dashboards/widgets-manager8" in settings.VoilaConfiguration.extension_allowlist
    assert settings.VoilaConfiguration.show_tracebacks is False
    assert settings.MappingKernelManager.cull_interval >= 300
    arguments = _arguments(Address(ip="127.0.0.1", port=1, browser=False, token="t"))
    assert "--Voila.token=t" in arguments


def test_a_busy_server_waits_for_what_a_cell_shows() -> None:
    from voila.execute import VoilaExecutor

    executor = VoilaExecutor(nbformat.v4.new_notebook(), config=_settings(resources.dashboard()))
    assert executor.iopub_timeout >= 60, "after nbclient's 4 seconds a page has no widgets, and says nothing"


def test_binder_shows_the_same_extensions() -> None:
    script = (ROOT / "binder" / "postBuild").read_text()
    settings = json.loads(script.partition("<<'JSON'\n")[2].partition("\nJSON")[0])
    assert tuple(settings["VoilaConfiguration"]["extension_allowlist"]) == EXTENSIONS


def test_the_notebooks_of_a_checkout_are_opened_where_they_are() -> None:
    assert _notebooks(None) == resources.notebooks()


def test_copied_notebooks_keep_a_persons_changes(tmp_path: Path) -> None:
    folder = _notebooks(tmp_path / "mine")
    copy = folder / "dashboards" / "workbench.ipynb"
    assert copy.read_bytes() == resources.dashboard().read_bytes()
    copy.write_text("changed")
    _notebooks(folder)
    assert copy.read_text() == "changed"


@pytest.mark.parametrize("name", ["workbench", "stakeholder", "compare"])
def test_a_shipped_notebook_is_served_by_its_name(name: str) -> None:
    assert _named(name) == resources.dashboard().with_name(f"{name}.ipynb")
    assert _named(name).is_file()


def test_lessons_are_served_together_and_wait_for_visitors() -> None:
    folder = _named("lessons")
    assert folder == resources.notebooks() / "lessons"
    assert _settings(resources.dashboard()).VoilaConfiguration.preheat_kernel is True
    assert _settings(folder).VoilaConfiguration.preheat_kernel is False, "nine kernels before anybody has come"


def test_the_list_in_front_of_the_lessons_has_their_titles() -> None:
    folder = _named("lessons")
    settings = _settings(folder)
    assert settings.VoilaConfiguration.classic_tree is True
    pages = copy.deepcopy(settings).Voila.tornado_settings["voila_jinja2_env"]  # traitlets copies its settings
    names = sorted(path.name for path in folder.glob("*.ipynb"))
    page = pages.get_template("tree.html").render(
        breadcrumbs=[("/voila/tree", "")],
        contents={"content": [{"type": "notebook", "path": name, "name": name} for name in names]},
        base_url="/",
        query="token=a&b",
        theme="dark",
    )
    assert "<h1>Lessons</h1>" in page
    assert '<a href="/voila/render/02-pruning.ipynb?token=a&amp;b">2. Pruning</a>' in page
    assert page.count("<li>") == len(names)
    assert "color-scheme: dark" in page
    assert pages.get_template("error.html")


def test_the_list_of_a_folder_of_ones_own_leads_into_folders_and_back(tmp_path: Path) -> None:
    folder = tmp_path / "mine"
    (folder / "a b").mkdir(parents=True)
    page = (
        templates(folder)
        .get_template("tree.html")
        .render(
            breadcrumbs=[("/voila/tree", ""), ("/voila/tree/a%20b", "a b")],
            contents={"content": [{"type": "directory", "path": "a b/<c>", "name": "<c>"}]},
            base_url="/",
            theme="light",
        )
    )
    assert '<a href="/voila/tree?">Back to Mine</a>' in page
    assert '<a href="/voila/tree/a%20b/%3Cc%3E?">&lt;c&gt;/</a>' in page


@pytest.mark.parametrize(
    ("content", "found"),
    [
        ('{"cells": [{"cell_type": "markdown", "source": ["## No\\n", "# 1. Yes \\n"]}]}', "1. Yes"),
        ('{"cells": [{"cell_type": "code", "source": "# no"}]}', "mine"),
        ('{"cells": [{}]}', "mine"),
        ("[]", "mine"),
        ("text", "mine"),
        (None, "mine"),
    ],
)
def test_a_notebook_without_a_heading_is_called_by_its_file(tmp_path: Path, content: str | None, found: str) -> None:
    if content is not None:
        (tmp_path / "mine.ipynb").write_text(content)
    assert title(tmp_path / "mine.ipynb") == found


def test_a_notebook_of_ones_own_is_served_by_its_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    mine = tmp_path / "mine.ipynb"
    mine.write_text('{"cells": [], "metadata": {}, "nbformat": 4, "nbformat_minor": 5}')
    assert _named("mine.ipynb") == _named(str(mine)) == mine


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("gone.ipynb", None, "there is no notebook"),
        ("stakeholders", None, "there is no notebook"),
        ("https://example.org/a.ipynb", None, "is an address"),
        ("folder", "", "there is no notebook in the folder"),
        ("page.py", '{"cells": [], "nbformat": 4}', "is not a notebook"),
        ("old.ipynb", '{"worksheets": [], "nbformat": 3}', "is not a notebook"),
        ("text.ipynb", "print(1)", "is not a notebook"),
        ("list.ipynb", "[]", "is not a notebook"),
        ("deep.ipynb", "[" * 100_000, "is not a notebook"),
        ("binary.ipynb", "\ud800", "is not a notebook"),
    ],
)
def test_what_is_no_notebook_is_refused_in_a_sentence(
    workbench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, content: str | None, reason: str
) -> None:
    monkeypatch.chdir(tmp_path)
    if content == "":
        (tmp_path / name).mkdir()
    elif content is not None:
        (tmp_path / name).write_bytes(content.encode("utf-8", "surrogatepass"))
    outcome = workbench("serve", name, "--no-browser")
    assert outcome.code == Exit.REFUSED
    assert reason in outcome.err
    assert "compare, stakeholder, workbench, lessons" in outcome.err
    assert len(outcome.err.strip().splitlines()) == 1


@pytest.mark.slow
@pytest.mark.parametrize("arguments", [(), ("serve", "stakeholder")], ids=["workbench", "stakeholder"])
def test_the_dashboard_asks_for_its_token(tmp_path: Path, arguments: tuple[str, ...]) -> None:
    environment = {**os.environ, "WORKBENCH_HOME": str(tmp_path), "PYTHONUNBUFFERED": "1"}
    command = [sys.executable, "-m", "workbench", *arguments, "--no-browser"]
    process = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        url = next(word for word in process.stdout.readline().split() if word.startswith("http"))
        bare, _, _ = url.partition("?")
        deadline = time.monotonic() + 60
        while "Log in" not in (page := fetch(bare)) and time.monotonic() < deadline:
            time.sleep(0.5)
        assert "Password or token" in page
        assert 'id="jupyter-config-data"' in fetch(url)
    finally:
        process.terminate()
        process.communicate(timeout=30)


def fetch(url: str) -> str:
    opener = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(CookieJar()))
    try:
        with opener.open(url, timeout=30) as response:
            return str(response.read().decode())
    except (urllib.error.URLError, ConnectionError):
        return ""
