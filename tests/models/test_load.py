"""Which weights a network gets, and what is said where there are none."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest
import torch
from torch import nn

from workbench.cards import Model, ModelCard
from workbench.errors import Refused
from workbench.models import _train, _weights
from workbench.models._load import build, load
from workbench.registry import models
from workbench.result import ModelRef

CARD = ModelCard(
    name="toy",
    title="Toy",
    summary="A toy.",
    input_shape=(1, 1, 2),
    mean=(0.5,),
    std=(0.5,),
    classes=2,
    parameters=6,
    data=("digits", "mnist"),
    licence="none",
    paper="none",
)


def toy(value: float, classes: int = 2) -> nn.Module:
    network = nn.Sequential(nn.Flatten(), nn.Linear(2, classes))
    nn.init.constant_(network[1].weight, value)
    return network


@pytest.fixture
def entry(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Model:
    """Register a toy whose weights tell where they are from: 0 fresh, 9 the publisher's."""
    models.names()
    monkeypatch.setenv("WORKBENCH_HOME", str(tmp_path / "home"))
    monkeypatch.setattr(_weights, "shipped", lambda name: tmp_path / "shipped" / name)
    entry = Model(card=CARD, build=lambda: toy(0), pretrained=lambda: toy(9))
    monkeypatch.setitem(models._entries, "toy", entry)
    return entry


def loaded(data: str = "digits", checkpoint: str = "") -> float:
    network, card = load(ModelRef(name="toy", checkpoint=checkpoint), data, 2)
    assert card == CARD
    return network[1].weight[0, 0].item()


def test_the_order_of_the_weights(entry: Model, tmp_path: Path) -> None:
    assert loaded() == 9
    _weights.save(toy(1), _weights.shipped("toy"), {})
    assert loaded() == loaded("mnist") == 1
    _weights.save(toy(2), _weights.trained("toy", "mnist"), {})
    assert loaded("mnist") == 2  # trained on these data, so better than shipped for others
    _weights.save(toy(3), _weights.trained("toy", "digits"), {})
    assert loaded("digits") == 1  # shipped for these very data
    _weights.save(toy(4), tmp_path / "mine.safetensors", {})
    assert loaded(checkpoint=str(tmp_path / "mine.safetensors")) == 4


def test_without_weights_it_says_how_to_get_them(entry: Model, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(models._entries, "toy", dataclasses.replace(entry, pretrained=None))
    with pytest.raises(Refused) as caught:
        load(ModelRef(name="toy"), "mnist", 2)
    told = str(caught.value)
    assert "make them with `workbench train toy --data mnist`, or bring weights of your own" in told
    assert "“Weights of your own …” on the page, --checkpoint FILE on the command line" in told


def test_weights_for_other_classes_are_not_taken(entry: Model, monkeypatch: pytest.MonkeyPatch) -> None:
    _weights.save(toy(1), _weights.shipped("toy"), {})
    monkeypatch.setitem(models._entries, "toy", dataclasses.replace(entry, build_for=lambda classes: toy(0, classes)))
    with pytest.raises(Refused, match="no trained weights of toy for 3 classes"):
        load(ModelRef(name="toy"), "digits", 3)
    _weights.save(toy(5, 3), _weights.trained("toy", "digits"), {})
    assert load(ModelRef(name="toy"), "digits", 3)[0][1].weight.shape == (3, 2)


def test_a_network_that_has_only_its_own_classes_refuses_others(entry: Model) -> None:
    with pytest.raises(Refused, match="toy has 2 classes, the data have 3"):
        build("toy", 3)


def test_a_checkpoint_that_does_not_fit_is_named(entry: Model, tmp_path: Path) -> None:
    _weights.save(toy(1, 5), tmp_path / "five.safetensors", {})
    with pytest.raises(Refused, match=r"five.safetensors does not fit this network: 1.weight is \[5, 2\]"):
        load(ModelRef(name="toy", checkpoint=str(tmp_path / "five.safetensors")), "digits", 2)


def test_an_unknown_name_is_refused() -> None:
    with pytest.raises(Refused, match="did you mean 'lenet5'"):
        build("lenet6", 10)


def test_loading_disturbs_no_random_numbers(entry: Model) -> None:
    before = torch.random.get_rng_state()
    loaded()
    assert torch.equal(torch.random.get_rng_state(), before)


def test_names_become_file_names_and_stay_different(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("WORKBENCH_HOME", str(tmp_path))
    names = ["folder:/a b/c", "folder:/a_b/c", r"folder:C:\a b", "folder:../../x", "folder:" + 300 * "x", "mnist"]
    paths = [_weights.trained("torchvision:resnet18", name) for name in names]
    assert len(set(paths)) == len(names)
    for path in paths:
        assert path.parent == tmp_path / "weights"
        _weights.save(toy(0), path, {})
    assert _weights.trained("digits-mlp", "mnist") == tmp_path / "weights" / "digits-mlp-mnist.safetensors"


def test_saved_weights_say_how_they_were_made(tmp_path: Path) -> None:
    from safetensors import safe_open

    _train.save(build("digits-mlp", 10), tmp_path / "a", name="digits-mlp", data_name="digits", seed=3, epochs=0.5)
    with safe_open(tmp_path / "a", "pt") as file:
        about = file.metadata()
    assert about == {"workbench": '{"data": "digits", "epochs": 0.5, "model": "digits-mlp", "seed": 3}'}


def test_weights_that_cannot_be_written_are_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(Refused, match="cannot be made"):
        _weights.save(toy(0), tmp_path / "file" / "a.safetensors", {})
