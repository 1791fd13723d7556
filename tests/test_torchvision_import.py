"""torchvision is imported where its operators cannot be loaded, and left alone where they can."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from workbench import _torchvision
from workbench.errors import Refused

ROOT = Path(__file__).parents[1]


def python(code: str, *first: Path) -> str:
    """Run code in a process of its own, with `first` at the head of the import path."""
    head = f"import sys; sys.path[:0] = {[str(path) for path in (*first, ROOT)]!r}\n"
    done = subprocess.run([sys.executable, "-c", head + code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def package(folder: Path, content: str) -> Path:
    """Write a package called torchvision."""
    (folder / "torchvision").mkdir()
    (folder / "torchvision" / "__init__.py").write_text(content)
    return folder


def test_the_real_one_is_imported_and_declared_only_if_it_failed() -> None:
    code = """
try:
    import torchvision
    failed = False
except RuntimeError as error:
    failed = "torchvision::" in str(error)
from workbench import _torchvision
module = _torchvision.import_torchvision()
import torch
network = module.models.squeezenet1_1(num_classes=3).eval()
print(failed == bool(_torchvision._declared), list(network(torch.zeros(1, 3, 64, 64)).shape))
print(_torchvision.import_torchvision() is module)
"""
    assert python(code).splitlines() == ["True [1, 3]", "True"]


def test_a_healthy_one_is_left_alone(tmp_path: Path) -> None:
    healthy = """
import torch
library = torch.library.Library("torchvision", "DEF")
for name in ("nms", "qnms"):
    library.define(f"{name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
healthy = True
"""
    code = "from workbench import _torchvision as t; print(t.import_torchvision().healthy, t._declared)"
    assert python(code, package(tmp_path, healthy)) == "True []"


def test_one_without_its_operators_is_helped(tmp_path: Path) -> None:
    broken = """
import torch
for name in ("nms", "qnms"):
    torch.library.register_fake(f"torchvision::{name}")(lambda dets, scores, iou_threshold: dets)
"""
    folder = package(tmp_path, broken)
    code = "from workbench import _torchvision as t; print(t.import_torchvision().__file__, len(t._declared))"
    assert python(code, folder) == f"{folder / 'torchvision' / '__init__.py'} 1"


@pytest.mark.parametrize("error", ["RuntimeError('out of memory')", "OSError('torchvision::nms')"])
def test_another_failure_passes_through(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: str) -> None:
    for name in [name for name in sys.modules if name.partition(".")[0] == "torchvision"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.syspath_prepend(package(tmp_path, f"raise {error}"))
    monkeypatch.setattr(_torchvision, "_declared", [])
    with pytest.raises((RuntimeError, OSError), match=r"out of memory|nms"):
        _torchvision.import_torchvision()
    assert _torchvision._declared == []


def test_none_at_all_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torchvision", None)
    with pytest.raises(Refused, match="pip install torchvision"):
        _torchvision.import_torchvision()


def test_the_lists_of_models_and_data_do_not_import_it() -> None:
    code = """
from workbench.registry import data, models
data.names(), models.names(), models.get("digits-cnn").build()
print("torchvision" in sys.modules)
"""
    assert python(code) == "False"
