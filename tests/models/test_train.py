"""`workbench train`: repeatable, cancellable, and shifts that are what they say."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch.nn import functional as F

from workbench.context import Progress
from workbench.errors import Cancelled
from workbench.images import Preprocess, View
from workbench.models import _train
from workbench.models._load import load
from workbench.registry import data
from workbench.result import DataRef, ModelRef

DIGITS = DataRef(name="digits")


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def written(path: Path, seed: int) -> bytes:
    network = _train.train("digits-cnn", DIGITS, seed, epochs=0.5)
    _train.save(network, path, name="digits-cnn", data_name="digits", seed=0, epochs=0.5)
    return path.read_bytes()


def test_the_same_seed_gives_the_same_bytes(tmp_path: Path) -> None:
    first = written(tmp_path / "a", 0)
    torch.rand(7)  # whatever others draw in between
    assert written(tmp_path / "b", 0) == first
    assert written(tmp_path / "c", 1) != first


def test_trained_weights_are_found_again(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("WORKBENCH_HOME", str(tmp_path))
    network = _train.train("lenet-300-100", DIGITS, epochs=0.2)
    _train.save(
        network, _train.default_path("lenet-300-100", "digits"), name="lenet-300-100", data_name="digits", seed=0
    )
    found, _ = load(ModelRef(name="lenet-300-100"), "digits", 10)
    assert all(torch.equal(found.state_dict()[name], value) for name, value in network.state_dict().items())


def test_training_reports_and_stops_when_asked() -> None:
    seen: list[Progress] = []

    def stop(progress: Progress) -> None:
        seen.append(progress)
        if len(seen) == 3:
            raise Cancelled

    with pytest.raises(Cancelled):
        _train.train("digits-mlp", DIGITS, epochs=5, report=stop)
    assert [p.fraction for p in seen] == sorted(p.fraction for p in seen)
    assert "training digits-mlp" in seen[0].message


@pytest.mark.slow
def test_the_shipped_weights_can_be_made_again() -> None:
    network = _train.train("digits-mlp", DIGITS).eval()
    _, card = load(ModelRef(name="digits-mlp"), "digits", 10)
    test = View(data.get("digits").open(DIGITS).test, Preprocess(card.input_shape, card.mean, card.std))
    with torch.no_grad():
        hits = network(test.inputs(torch.arange(len(test)))).argmax(1) == test.labels
    assert hits.float().mean() >= 0.96


@pytest.mark.parametrize(("height", "width"), [(8, 16), (32, 32), (7, 8)])
def test_each_image_is_one_of_the_allowed_shifts(height: int, width: int) -> None:
    image = 1 + torch.arange(2.0 * height * width).view(1, 2, height, width)
    fill = torch.tensor([-1.0, -2.0]).view(2, 1, 1)
    tall, wide = height // 8, width // 8
    surrounded = F.pad(image - fill, (wide, wide, tall, tall)) + fill
    allowed = {
        (top, left): surrounded[0, :, top : top + height, left : left + width]
        for top in range(2 * tall + 1)
        for left in range(2 * wide + 1)
    }
    shifted = _train.shifted(image.expand(1000, -1, -1, -1), fill, generator())
    found = [where for one in shifted for where, other in allowed.items() if torch.equal(one, other)]
    assert len(found) == 1000
    assert set(found) == set(allowed)


def test_what_moves_in_is_black() -> None:
    preprocess = Preprocess((1, 8, 8), (0.25,), (0.5,))
    black = preprocess(torch.zeros((64, 1, 8, 8), dtype=torch.uint8))
    assert torch.equal(_train.varied(preprocess, mirror=False)(black, generator()), black)


def test_mirror_images_are_made_only_where_they_show_the_same() -> None:
    preprocess = Preprocess((1, 4, 4), (0.0,), (1.0,))  # too small to be shifted
    image = torch.arange(16.0).view(1, 1, 4, 4)
    many = image.expand(200, -1, -1, -1)
    assert torch.equal(_train.varied(preprocess, mirror=False)(many, generator()), many)
    mirrored = [torch.equal(one, image[0].flip(2)) for one in _train.varied(preprocess, mirror=True)(many, generator())]
    assert 60 < sum(mirrored) < 140
