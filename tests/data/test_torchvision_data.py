"""Data sets through torchvision: read, downloaded whole, or refused with a sentence."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.error import URLError

import numpy as np
import pytest
import torch

from workbench._torchvision import import_torchvision
from workbench.data import cifar10, fashion_mnist, mnist
from workbench.errors import Refused
from workbench.registry import data
from workbench.result import DataRef

FILES = {"mnist": mnist.FILES, "fashion-mnist": fashion_mnist.FILES, "cifar10": cifar10.FILES}
CLASSES = {"mnist": "MNIST", "fashion-mnist": "FashionMNIST", "cifar10": "CIFAR10"}
WriteIdx = Callable[[Path, Any], None]


def write(root: Path, name: str, write_idx: WriteIdx) -> None:
    """Write ten training and ten test images, image i all of value i (training) or 100 + i (test)."""
    for file in FILES[name]:
        first = 100 if "t10k" in file else 0
        images = np.arange(first, first + 10).repeat(28 * 28).reshape(10, 28, 28)
        write_idx(root / file, images if "images" in file else np.arange(10)[::-1])


@pytest.fixture
def offline(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> None:
        raise URLError("no network here")

    monkeypatch.setattr("urllib.request.urlopen", fail)


@pytest.mark.parametrize("name", FILES)
def test_it_reads_the_files_that_torchvision_reads(name: str, tmp_path: Path) -> None:
    """The files that are named to a person are those that torchvision looks for."""
    kind = getattr(import_torchvision().datasets, CLASSES[name])
    if name == "cifar10":
        own = [f"{kind.base_folder}/{file}" for file, _ in kind.train_list + kind.test_list]
        own.append(f"{kind.base_folder}/{kind.meta['filename']}")
    else:
        own = [f"{kind.__name__}/raw/{file.removesuffix('.gz')}" for file, _ in kind.resources]
    assert sorted(FILES[name]) == sorted(own)


@pytest.mark.parametrize("name", ["mnist", "fashion-mnist"])
def test_files_that_are_there_are_read(name: str, tmp_path: Path, offline: None, write_idx: WriteIdx) -> None:
    write(tmp_path, name, write_idx)
    splits = data.get(name).open(DataRef(name=name, root=str(tmp_path)))
    assert splits.test.labels.tolist() == list(range(9, -1, -1))
    assert splits.test.pixels(torch.tensor([3])).unique().tolist() == [103]
    assert sorted(int(label) for part in (splits.train, splits.validation) for label in part.labels) == list(range(10))


def test_without_a_root_they_are_looked_for_in_the_users_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, offline: None, write_idx: WriteIdx
) -> None:
    monkeypatch.setenv("WORKBENCH_HOME", str(tmp_path))
    write(tmp_path / "data", "mnist", write_idx)
    assert len(data.get("mnist").open(DataRef(name="mnist")).test) == 10


@pytest.mark.parametrize("name", FILES)
def test_without_a_network_folder_and_files_are_named(name: str, tmp_path: Path, offline: None) -> None:
    root = tmp_path / "my data"
    with pytest.raises(Refused) as caught:
        data.get(name).open(DataRef(name=name, root=str(root)))
    sentence = str(caught.value)
    assert sentence.startswith(f"{name} is not in {root} and cannot be downloaded (")
    assert "no network here" in sentence
    assert all(file in sentence for file in FILES[name])
    assert os.listdir(root) == []


def test_a_download_is_moved_into_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, write_idx: WriteIdx) -> None:
    def download(self: Any) -> None:
        assert Path(self.root).parent == tmp_path
        write(Path(self.root), "fashion-mnist", write_idx)
        (Path(self.raw_folder) / "train-images-idx3-ubyte.gz").write_bytes(b"the archive is not kept")

    monkeypatch.setattr(import_torchvision().datasets.FashionMNIST, "download", download)
    splits = data.get("fashion-mnist").open(DataRef(name="fashion-mnist", root=str(tmp_path)))
    assert len(splits.test) == 10
    left = [path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*") if path.is_file()]
    assert sorted(left) == sorted(fashion_mnist.FILES)


@pytest.mark.parametrize("stop", [RuntimeError("File not found or corrupted."), KeyboardInterrupt()])
def test_a_download_that_fails_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, write_idx: WriteIdx, stop: BaseException
) -> None:
    def download(self: Any) -> None:
        write_idx(Path(self.root) / mnist.FILES[0], [1])
        raise stop

    monkeypatch.setattr(import_torchvision().datasets.MNIST, "download", download)
    with pytest.raises((Refused, KeyboardInterrupt)):
        data.get("mnist").open(DataRef(name="mnist", root=str(tmp_path)))
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("damage", ["empty", "short", "labels", "counts"])
def test_damaged_files_are_refused(tmp_path: Path, write_idx: WriteIdx, damage: str) -> None:
    write(tmp_path, "mnist", write_idx)
    images, labels = tmp_path / mnist.FILES[0], tmp_path / mnist.FILES[1]
    if damage == "empty":
        images.write_bytes(b"")
    elif damage == "short":
        images.write_bytes(images.read_bytes()[:-5])
    elif damage == "labels":
        write_idx(labels, np.arange(10) + 200)
    else:
        write_idx(labels, np.arange(20) % 10)
    with pytest.raises(Refused, match=r"files of mnist in .* are damaged"):
        data.get("mnist").open(DataRef(name="mnist", root=str(tmp_path)))


def test_files_of_cifar10_that_are_not_the_published_ones_are_never_unpickled(tmp_path: Path) -> None:
    for file in cifar10.FILES:
        path = tmp_path / file
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(b"cos\nsystem\n(S'touch caught'\ntR.")
    with pytest.raises(Refused, match=r"cifar10 in .* are damaged"):
        data.get("cifar10").open(DataRef(name="cifar10", root=str(tmp_path)))


def test_mnist_is_the_real_one(shared_data: Path) -> None:
    """The mean and deviation of its training pixels are known to everybody who ever normalised it."""
    splits = data.get("mnist").open(DataRef(name="mnist", root=str(shared_data)))
    assert (len(splits.train), len(splits.validation), len(splits.test)) == (58_000, 2_000, 10_000)
    pixels = splits.train.pixels(torch.arange(len(splits.train))).float() / 255
    assert abs(pixels.mean().item() - 0.1307) < 0.0005
    assert abs(pixels.std().item() - 0.3081) < 0.0005
