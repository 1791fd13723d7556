"""Who may import whom, and what importing costs."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]


def python(code: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)


def test_the_contracts_of_pyproject_hold() -> None:
    done = python("import sys; from importlinter.cli import lint_imports; sys.exit(lint_imports(no_cache=True))")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "4 kept, 0 broken" in done.stdout


def test_importing_the_engine_loads_neither_torch_nor_widgets() -> None:
    heavy = {"torch", "torchvision", "numpy", "ipywidgets", "plotly", "anywidget", "IPython", "voila"}
    code = f"import sys, workbench, workbench.cli, workbench.store\nprint(sorted({heavy} & set(sys.modules)))"
    assert python(code).stdout.strip() == "[]"


def test_every_name_that_the_engine_offers_exists() -> None:
    done = python("import workbench\nfor name in workbench.__all__: print(getattr(workbench, name).__name__)")
    assert done.returncode == 0, done.stderr
    assert "Store" in done.stdout.split()
