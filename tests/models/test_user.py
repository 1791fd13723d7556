"""The user's own network: when its code runs, and what is said where it does not work."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest
import torch

from workbench.errors import Refused
from workbench.models import _weights
from workbench.models._load import build, load
from workbench.registry import models
from workbench.result import ModelRef

CODE = """
from __future__ import annotations
from dataclasses import dataclass
from pathlib import Path
from torch import nn
from neighbour import WIDTH

Path(__file__).with_suffix(".ran").touch()

@dataclass
class Plan:
    width: int

def make():
    return nn.Sequential(nn.Flatten(), nn.Linear(64, Plan(WIDTH).width), nn.Linear(WIDTH, 10))

def number():
    return 3

def fails():
    raise KeyError("no such thing")

constant = 3
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    folder = tmp_path / "my models"
    folder.mkdir()
    (folder / "neighbour.py").write_text("WIDTH = 5\n")
    (folder / "net.py").write_text(CODE)
    return folder / "net.py"


@pytest.fixture(autouse=True)
def _neighbour_is_forgotten(monkeypatch: pytest.MonkeyPatch):
    yield
    sys.modules.pop("neighbour", None)


def test_the_card_is_read_without_running_the_file(path: Path) -> None:
    card = models.get(f"user:{path}:make").card
    assert (card.title, card.classes, card.parameters) == ("make from net.py", None, None)
    assert not path.with_suffix(".ran").exists()
    build(f"user:{path}:make", 10)
    assert path.with_suffix(".ran").exists()


def test_its_weights_are_its_own_and_the_same_each_time(path: Path) -> None:
    before = list(sys.path)
    first, card = load(ModelRef(name=f"user:{path}:make"), "digits", 10)
    second, _ = load(ModelRef(name=f"user:{path}:make"), "digits", 10)
    assert torch.equal(first[1].weight, second[1].weight)
    assert (card.mean, card.std) == ((0.0,), (1.0,))
    assert sys.path == before


def test_an_edit_within_the_same_second_is_seen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "dont_write_bytecode", False)
    path = tmp_path / "net.py"
    for width in (2, 3):
        path.write_text(f"from torch import nn\ndef make(): return nn.Linear(2, {width})\n")
        os.utime(path, (1, 1))  # Python tells sources apart by second and size
        assert build(f"user:{path}:make", 10).out_features == width


def test_it_takes_a_checkpoint(path: Path) -> None:
    network = build(f"user:{path}:make", 10)
    torch.nn.init.constant_(network[1].bias, 7)
    _weights.save(network, path.with_suffix(".safetensors"), {})
    ref = ModelRef(name=f"user:{path}:make", checkpoint=str(path.with_suffix(".safetensors")))
    assert load(ref, "digits", 10)[0][1].bias.tolist() == [7] * 5


def test_a_windows_path_keeps_its_colon(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / r"C:\net.py").write_text("from torch import nn\ndef make(): return nn.Linear(2, 2)\n")
    assert isinstance(build(r"user:C:\net.py:make", 2), torch.nn.Linear)


@pytest.mark.parametrize(
    ("address", "sentence"),
    [
        ("net.py", "is named user:path.py:function, got 'user:net.py'"),
        ("", "is named user:path.py:function"),
        (r"C:\net.py", "is named user:path.py:function"),
        ("none.py:make", "there is no file none.py"),
    ],
)
def test_a_wrong_address_is_refused(address: str, sentence: str) -> None:
    with pytest.raises(Refused) as caught:
        models.get(f"user:{address}")
    assert sentence in str(caught.value)


@pytest.mark.parametrize(
    ("function", "sentence"),
    [
        ("missing", "defines no function 'missing'"),
        ("constant", "defines no function 'constant'"),
        ("number", "must return a torch.nn.Module, got a int"),
        ("fails", "failed: KeyError: 'no such thing'"),
    ],
)
def test_a_function_that_makes_no_network_is_refused(path: Path, function: str, sentence: str) -> None:
    with pytest.raises(Refused) as caught:
        build(f"user:{path}:{function}", 10)
    assert sentence in str(caught.value)
    assert str(path.parent) not in sys.path


def test_a_file_that_fails_is_refused(tmp_path: Path) -> None:
    (tmp_path / "net.py").write_text("def make(:")
    with pytest.raises(Refused, match=r"net\.py failed: SyntaxError"):
        build(f"user:{tmp_path / 'net.py'}:make", 10)
    (tmp_path / "net.txt").write_text("")
    with pytest.raises(Refused, match=r"should end in \.py"):
        build(f"user:{tmp_path / 'net.txt'}:make", 10)
