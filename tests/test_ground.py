"""The ground: versions, targets, scripts and notebooks agree with each other."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import tomllib
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement

ROOT = Path(__file__).parents[1]
TARGETS = ("dashboard", "lab", "test", "test-slow", "lint", "bench", "clean")
TOP = {
    *("workbench", "widgets", "notebooks", "datasets", "tests", "binder"),
    *("pyproject.toml", "constraints.txt", "README.md", "LICENSE", "Makefile", "CHANGELOG.md", "CONTRIBUTING.md"),
}

needs_make = pytest.mark.skipif(shutil.which("make") is None, reason="there is no make here")


def project() -> dict[str, Any]:
    return tomllib.loads((ROOT / "pyproject.toml").read_text())


def pins() -> dict[str, Requirement]:
    lines = (ROOT / "constraints.txt").read_text().splitlines()
    found = [Requirement(line) for line in lines if line and not line.startswith("#")]
    return {canonical(requirement.name): requirement for requirement in found}


def canonical(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def pinned(requirement: Requirement) -> str:
    (specifier,) = requirement.specifier
    assert specifier.operator == "=="
    return specifier.version


def declared() -> list[Requirement]:
    content = project()
    groups = [item for group in content["dependency-groups"].values() for item in group if isinstance(item, str)]
    return [Requirement(text) for text in (*content["project"]["dependencies"], *groups)]


@pytest.mark.parametrize("requirement", declared(), ids=lambda requirement: requirement.name)
def test_every_dependency_has_a_tested_version_in_its_range(requirement: Requirement) -> None:
    assert requirement.specifier.contains(pinned(pins()[canonical(requirement.name)]))


def test_no_constraint_asks_for_cuda() -> None:
    assert not [name for name in pins() if name.startswith(("nvidia", "cuda", "triton"))]


def test_binder_takes_the_tested_torch_without_cuda() -> None:
    lines = (ROOT / "binder" / "requirements.txt").read_text().splitlines()
    chosen = [Requirement(line) for line in lines if not line.startswith(("#", "--"))]
    assert {r.name: pinned(r) for r in chosen} == {
        name: f"{pinned(pins()[name])}+cpu" for name in ("torch", "torchvision")
    }


def test_binder_has_a_python_that_the_project_supports() -> None:
    version = (ROOT / "binder" / "runtime.txt").read_text().strip().removeprefix("python-")
    assert f">={version}" == project()["project"]["requires-python"]


@pytest.mark.parametrize("script", [".ci/run", "binder/postBuild", "binder/start"])
def test_scripts_are_executable_and_stop_at_the_first_failure(script: str) -> None:
    path = ROOT / script
    assert os.access(path, os.X_OK)
    assert "set -euo pipefail" in path.read_text()
    subprocess.run(["bash", "-n", path], check=True)


def test_ci_runs_the_command_of_the_readme() -> None:
    assert "make test " in (ROOT / "README.md").read_text()
    script = (ROOT / ".ci" / "run").read_text()
    (command,) = [line for line in script.splitlines() if line.startswith("make ")]
    assert "test" in command.split()


@needs_make
@pytest.mark.parametrize("target", TARGETS)
def test_make_knows_its_targets(target: str) -> None:
    subprocess.run(["make", "--dry-run", target], cwd=ROOT, check=True, capture_output=True)


@needs_make
def test_make_says_which_python_it_needs(tmp_path: Path) -> None:
    for name in ("Makefile", "pyproject.toml", "constraints.txt"):
        shutil.copy(ROOT / name, tmp_path)
    old = tmp_path / "python-too-old"
    old.write_text("#!/bin/sh\nexit 1\n")
    old.chmod(0o755)
    done = subprocess.run(["make", "test", f"PYTHON={old}"], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode != 0
    assert done.stderr.startswith("Downsizing Workbench needs Python 3.11 or newer")
    assert not (tmp_path / ".venv").exists()


@pytest.mark.skipif(not (ROOT / ".git").exists(), reason="this is no checkout")
def test_the_top_level_holds_what_it_should() -> None:
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    tops = {line.partition("/")[0] for line in listed.splitlines()}
    assert {name for name in tops if not name.startswith(".")} <= TOP


def notebooks() -> list[Path]:
    return sorted(path for path in (ROOT / "notebooks").rglob("*.ipynb") if ".ipynb_checkpoints" not in path.parts)


@pytest.mark.parametrize("path", notebooks(), ids=lambda path: path.stem)
def test_notebooks_hold_no_outputs_and_define_nothing(path: Path) -> None:
    cells = [cell for cell in json.loads(path.read_text())["cells"] if cell["cell_type"] == "code"]
    assert cells
    for cell in cells:
        assert cell["outputs"] == []
        assert cell["execution_count"] is None
        assert not re.search(r"^\s*(def|class) ", "".join(cell["source"]), re.MULTILINE)


def test_the_readme_and_the_page_of_the_project_say_the_same() -> None:
    assert project()["project"]["description"] in (ROOT / "README.md").read_text()
