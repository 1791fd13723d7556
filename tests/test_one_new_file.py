"""A technique is one new file: the example of CONTRIBUTING.md, put into a copy of the source tree, is everywhere."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
COPIED = ("workbench", "widgets", "datasets", "notebooks", "tests", "pyproject.toml")


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a copy of the source tree with the new file, and nothing else changed."""
    folder = tmp_path_factory.mktemp("tree")
    for name in COPIED:
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(source, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(source, folder / name)
    chapter = (ROOT / "CONTRIBUTING.md").read_text().partition("## A technique")[2]
    example = re.search(r"```python\n(.*?)```", chapter, re.DOTALL)
    assert example is not None
    (folder / "workbench" / "techniques" / "toy.py").write_text(example[1])
    return folder


def python(tree: Path, *arguments: str) -> str:
    environment = {key: value for key, value in os.environ.items() if not key.startswith("PYTEST")}
    done = subprocess.run(
        [sys.executable, *arguments],
        cwd=tree,
        env=environment | {"PYTHONPATH": str(tree)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_it_is_listed(tree: Path) -> None:
    rows = json.loads(python(tree, "-m", "workbench", "list", "techniques", "--json"))
    (toy,) = [row for row in rows if row["name"] == "toy"]
    assert toy["defaults"] == {"amount": 0.5}


def test_the_command_line_has_its_option(tree: Path) -> None:
    shown = python(tree, "-m", "workbench", "run", "--help")
    assert "how far, in mean magnitudes of the layer" in " ".join(shown.split())
    run = ("-m", "workbench", "run", "digits-mlp", "--data", "digits", "--json")
    original = json.loads(python(tree, *run))
    row = json.loads(python(tree, *run, "--toy", "amount=0.5"))
    assert row["recipe"]["steps"] == [{"step": "toy", "amount": 0.5}]
    assert row["nonzeros"] < original["nonzeros"]
    assert row["size_bytes"] < original["size_bytes"]


def test_recipes_carry_it(tree: Path) -> None:
    code = """
from workbench.recipe import Recipe
from workbench.registry import techniques
recipe = Recipe((techniques.get("toy")(amount=1.5),))
assert Recipe.from_json(recipe.to_json()) == recipe
print(recipe)
"""
    assert python(tree, "-c", code) == "soft threshold (amount 1.5)\n"


def test_the_page_has_its_slider(tree: Path) -> None:
    code = """
from widgets.panels.recipe import RecipePanel
panel = RecipePanel()
form = panel.forms["toy"]
form.on.value = True
form.controls["amount"].value = 1.2
print(panel.state.recipe)
import os; os._exit(0)  # the engine's worker threads would outlive the test
"""
    assert python(tree, "-u", "-c", code) == "soft threshold (amount 1.2)\n"


@pytest.mark.slow
def test_it_passes_the_contract_of_all_techniques(tree: Path) -> None:
    contract = "tests/techniques/test_contract.py"
    told = python(tree, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-k", "toy", contract)
    assert re.search(r"[1-9]\d* passed", told)


@pytest.mark.slow
def test_it_passes_the_lint_and_the_types_of_the_project(tree: Path) -> None:
    python(tree, "-m", "ruff", "format", "--check", "workbench/techniques/toy.py")
    python(tree, "-m", "ruff", "check", "workbench/techniques/toy.py")
    python(tree, "-m", "mypy", "--no-incremental", "-m", "workbench.techniques.toy")
