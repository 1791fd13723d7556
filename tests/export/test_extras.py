"""Formats with optional packages: a sentence where they are missing, and the real thing where they are there."""

from __future__ import annotations

import importlib.util
import sys

import pytest
import torch

from workbench.activations import ActivationFormat, round_inputs_
from workbench.errors import Refused
from workbench.export._extras import extra
from workbench.exporting import Source
from workbench.network import layers
from workbench.registry import exports

PACKAGES = {"executorch": ("executorch", "executorch"), "litert": ("litert_torch", "ai_edge_litert")}


@pytest.fixture
def source(padded, images) -> Source:
    model = padded(5, 9)
    for layer in layers(model).values():
        round_inputs_(layer, ActivationFormat.spanning(-0.5, 2, 8))
    return Source(model=model, example=images[:2], build=lambda name: model)


@pytest.mark.parametrize("name", PACKAGES)
def test_a_missing_package_is_one_sentence_with_the_way_out(name, source, tmp_path, monkeypatch) -> None:
    for package in PACKAGES[name]:
        monkeypatch.setitem(sys.modules, package, None)
    format = exports.get(name)
    path = tmp_path / f"net{format.suffix}"
    with pytest.raises(Refused, match=rf"needs the package .*pip install 'downsizing-workbench\[{name}\]'"):
        format.write(source, path)
    with pytest.raises(Refused, match="needs the package"):
        format.load(path, source)
    assert not path.exists()


def test_a_package_that_is_not_there_and_one_that_breaks(tmp_path, monkeypatch) -> None:
    with pytest.raises(Refused, match="no_such_package, which is not installed"):
        extra("no_such_package.part", "A file", "none")
    (tmp_path / "broken_package.py").write_text("raise OSError('libtorch.so: another version')")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(Refused, match="cannot be used here .*another version"):
        extra("broken_package", "A file", "none")


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")  # theirs
@pytest.mark.parametrize("name", PACKAGES)
def test_the_file_gives_the_scores(name, source, images, tmp_path) -> None:
    if not all(importlib.util.find_spec(package) for package in PACKAGES[name]):
        pytest.skip(f"the extra {name} is not installed")
    format = exports.get(name)
    path = tmp_path / f"net{format.suffix}"
    format.write(source, path)
    run = format.load(path, source)
    with torch.no_grad():
        torch.testing.assert_close(run(images), source.model(images), rtol=1e-3, atol=1e-3)
        torch.testing.assert_close(run(images[:1]), source.model(images[:1]), rtol=1e-3, atol=1e-3)
