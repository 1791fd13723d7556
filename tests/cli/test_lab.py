"""`workbench lab`: tiles where the widgets are installed, and a layout that is made once and then a person's own."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner
from jupyterlab.labapp import LabApp
from jupyterlab_server.config import get_federated_extensions
from jupyterlab_server.workspaces_handler import WorkspacesManager

import workbench
from workbench import resources
from workbench.cli import _layout, commands


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("WORKBENCH_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


@pytest.fixture
def launched(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What JupyterLab is started with, in the end, instead of a server."""
    arguments: list[str] = []
    monkeypatch.setattr(LabApp, "launch_instance", arguments.extend)
    return arguments


def settings(arguments: list[str]) -> dict[str, str]:
    return dict(each.removeprefix("--").split("=", 1) for each in arguments)


def test_jupyterlab_finds_the_tiles_where_the_command_says() -> None:
    folder = _layout.extensions()
    assert folder is not None
    (found,) = get_federated_extensions([str(folder)]).values()
    assert found["version"] == workbench.__version__
    script = Path(found["ext_path"]) / found["jupyterlab"]["_build"]["load"]
    assert f'const NAME = "{found["name"]}"' in script.read_text(encoding="utf-8")


def test_every_tile_has_its_notebook_or_is_left_out_of_the_launcher() -> None:
    folder = _layout.extensions()
    assert folder is not None
    script = (folder / "downsizing-workbench/static/tiles.js").read_text(encoding="utf-8")
    for path in sorted((resources.notebooks() / "dashboards").glob("*.ipynb")):
        assert f'["{path.name}", ' in script, f"{path.name} has no tile"


def test_the_command_passes_tiles_and_layout(launched: list[str], home: Path) -> None:
    result = CliRunner().invoke(commands, ["lab", "--no-browser"])
    assert result.exit_code == 0, result.output
    given = settings(launched)
    assert Path(given["LabApp.extra_labextensions_path"]) == _layout.extensions()
    assert given["LabApp.default_url"] == "/lab/workspaces/workbench"
    place = Path(given["LabApp.workspaces_dir"])
    assert place.is_relative_to(home)
    layout = WorkspacesManager(str(place)).load("workbench")
    current = layout["data"]["layout-restorer:data"]["main"]["current"]
    assert (resources.notebooks() / current.removeprefix("notebook:")).is_file()


def test_it_starts_without_tiles_and_where_nothing_can_be_kept(
    launched: list[str], home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_layout.importlib.util, "find_spec", lambda name: None)
    home.write_text("a file where the folder should be")
    assert CliRunner().invoke(commands, ["lab", "--no-browser"]).exit_code == 0
    assert not {"LabApp.extra_labextensions_path", "LabApp.workspaces_dir", "LabApp.default_url"} & set(
        settings(launched)
    )


def test_a_layout_that_was_changed_is_left_and_each_folder_has_its_own(tmp_path: Path) -> None:
    notebooks = resources.notebooks()
    place = _layout.workspaces(notebooks)
    assert place is not None
    manager = WorkspacesManager(str(place))
    mine = json.dumps({"data": {}, "metadata": {"id": "workbench"}})
    manager.save("workbench", mine)
    assert _layout.workspaces(notebooks) == place
    assert manager.load("workbench")["data"] == {}
    other = _layout.workspaces(tmp_path)
    assert other is not None
    assert other != place
    assert not list(other.iterdir()), "no notebook to begin with, no layout"
