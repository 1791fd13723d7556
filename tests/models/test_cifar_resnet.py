"""ResNets for CIFAR-10: the figures of the paper, the shortcut by hand, and a public checkpoint."""

from __future__ import annotations

import tarfile
from pathlib import Path

import pytest
import torch

from workbench.images import Preprocess, View
from workbench.models._load import build, load
from workbench.models.cifar_resnet import PaddedShortcut
from workbench.registry import data
from workbench.result import DataRef, ModelRef


@pytest.mark.parametrize("depth", [20, 32, 44, 56])
def test_it_has_as_many_layers_as_its_name_says(depth: int) -> None:
    network = build(f"resnet{depth}", 10)
    layers = [m for m in network.modules() if isinstance(m, torch.nn.Conv2d | torch.nn.Linear)]
    assert len(layers) == depth


def test_parameters_worked_by_hand() -> None:
    """Six convolutions in each stage, the first of which changes the width; two numbers for each channel's norm."""
    weights = 9 * (3 * 16 + 6 * 16 * 16 + 16 * 32 + 5 * 32 * 32 + 32 * 64 + 5 * 64 * 64)
    norms = 2 * (7 * 16 + 6 * 32 + 6 * 64)
    assert sum(p.numel() for p in build("resnet20", 10).parameters()) == weights + norms + 64 * 10 + 10


def test_the_shortcut_takes_every_second_pixel_and_pads_channels_on_both_sides() -> None:
    x = torch.arange(16.0).view(1, 1, 4, 4)
    y = PaddedShortcut(2)(x)
    assert y.shape == (1, 3, 2, 2)
    assert y[0, 1].tolist() == [[0, 2], [8, 10]]
    assert not y[0, [0, 2]].any()


def test_the_stages_halve_the_image_and_double_the_channels() -> None:
    network = build("resnet20", 10).eval()
    x = network.conv1(torch.zeros(1, 3, 32, 32))
    shapes = []
    for stage in (network.layer1, network.layer2, network.layer3):
        x = stage(x)
        shapes.append(tuple(x.shape[1:]))
    assert shapes == [(16, 32, 32), (32, 16, 16), (64, 8, 8)]


@pytest.mark.parametrize("file", ["resnet20-cifar10.th", "resnet20-cifar10-jpeg.pt"])
def test_a_public_checkpoint_loads(file: str, shared_data: Path) -> None:
    network, card = load(ModelRef(name="resnet20", checkpoint=str(shared_data / file)), "cifar10", 10)
    fresh = build("resnet20", 10).state_dict()
    changed = [name for name, value in network.state_dict().items() if not torch.equal(value, fresh[name])]
    assert len(changed) >= sum(name.endswith(("weight", "running_mean")) for name in fresh)
    assert card.mean == (0.485, 0.456, 0.406)


@pytest.mark.slow
def test_the_checkpoint_is_as_accurate_on_real_images_as_it_should_be(shared_data: Path, tmp_path: Path) -> None:
    """It is known to be right on 87.5 % of the test images; 500 of them are right within 4.5 points."""
    with tarfile.open(shared_data / "cifar10-jpeg.tar") as archive:
        for part, count in (("train", 2), ("test", 50)):
            taken: dict[str, int] = {}
            for item in archive.getmembers():
                where, kind = item.name.split("/")[1:3] if item.isfile() else ("", "")
                if where == part and taken.setdefault(kind, 0) < count:
                    taken[kind] += 1
                    archive.extract(item, tmp_path, filter="data")
    name = f"folder:{tmp_path / 'cifar10'}"
    entry = data.get(name)
    assert (entry.card.shape, entry.card.train, entry.card.test) == ((3, 32, 32), 20, 500)
    checkpoint = str(shared_data / "resnet20-cifar10-jpeg.pt")
    network, card = load(ModelRef(name="resnet20", checkpoint=checkpoint), name, 10)
    test = View(entry.open(DataRef(name=name)).test, Preprocess(card.input_shape, card.mean, card.std))
    with torch.no_grad():
        hits = network.eval()(test.inputs(torch.arange(500))).argmax(1) == test.labels
    assert 0.83 <= hits.float().mean() <= 0.92
