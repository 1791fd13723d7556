"""The wheel carries all that it needs, and works far away from the checkout."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import sysconfig
import venv
import zipfile
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[1]


def run(*command: str | Path, cwd: Path) -> str:
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    done = subprocess.run([*map(str, command)], cwd=cwd, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("dist")
    run(sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", folder, ROOT, cwd=folder)
    (wheel,) = folder.glob("*.whl")
    return wheel


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the programs of an environment with nothing but the wheel; the libraries are those of this one."""
    folder = tmp_path_factory.mktemp("environment")
    venv.create(folder, symlinks=os.name == "posix")
    programs = folder / ("Scripts" if os.name == "nt" else "bin")
    run(sys.executable, "-m", "pip", "--python", programs / "python", "install", "--no-deps", wheel, cwd=folder)
    (site,) = {Path(path) for path in folder.rglob("site-packages")}
    # a path that comes from a .pth file has its own .pth files ignored: an editable checkout stays out of sight
    (site / "libraries.pth").write_text(sysconfig.get_path("purelib") + "\n")
    return programs


def test_the_wheel_carries_notebooks_data_and_weights(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
    assert "workbench/_share/notebooks/dashboards/workbench.ipynb" in names
    assert "workbench/_share/datasets/digits/digits.npz" in names
    assert "workbench/_share/datasets/digits/card.md" in names
    assert "workbench/recipes/deep-compression.lenet5.json" in names
    assert "widgets/lab/downsizing-workbench/static/tiles.js" in names
    weights = {Path(name).stem for name in names if name.startswith("workbench/models/weights/")}
    assert weights >= {"digits-mlp", "digits-cnn", "digits-resnet"}
    assert not [name for name in names if name.startswith(("tests/", "datasets/", "notebooks/"))]


def test_what_is_installed_is_not_the_checkout(installed: Path, tmp_path: Path) -> None:
    code = "import workbench.resources as r, widgets\nprint(r.__file__, widgets.__file__, r.dashboard(), sep='\\n')"
    files = run(installed / "python", "-c", code, cwd=tmp_path).split("\n")[:3]
    assert all(Path(file).is_relative_to(installed.parent) and Path(file).exists() for file in files)


def test_the_installed_command_line_works(installed: Path, tmp_path: Path) -> None:
    assert "digits-cnn" in run(installed / "workbench", "list", "models", cwd=tmp_path)
    arguments = ("run", "digits-cnn", "--data", "digits", "--bits", "4", "--json")
    row = json.loads(run(installed / "workbench", *arguments, cwd=tmp_path))
    assert row["status"] == "ok"
    assert row["accuracy"] > 0.9
    assert row["images"] == 600
