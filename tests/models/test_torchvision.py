"""torchvision's networks: cards for all, and their publisher's weights where a file is at hand."""

from __future__ import annotations

from pathlib import Path
from urllib.error import URLError

import pytest
import torch

from workbench.errors import Refused
from workbench.models._load import build, load
from workbench.models.torchvision import names
from workbench.registry import models
from workbench.result import ModelRef

NAME = "torchvision:squeezenet1_1"


@pytest.fixture
def file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Return where the publisher's weights would lie."""
    monkeypatch.setattr("torch.hub._hub_dir", str(tmp_path))
    (tmp_path / "checkpoints").mkdir()
    return tmp_path / "checkpoints" / "squeezenet1_1-b8a52dc0.pth"


def test_every_classification_network_has_a_card() -> None:
    known = names()
    assert len(known) >= 80
    assert {"resnet18", "vit_b_16", "mobilenet_v2"} <= set(known)
    for name in known:
        card = models.get(f"torchvision:{name}").card
        assert card.name == f"torchvision:{name}"
        assert card.classes == 1000
        assert card.parameters > 1_000_000
        assert card.input_shape[1] == card.input_shape[2] >= 224
        assert card.paper.startswith(("http", "torchvision")) or "http" in card.paper


def test_figures_of_a_card_are_those_of_the_publisher() -> None:
    card = models.get("torchvision:resnet18").card
    assert (card.parameters, card.input_shape) == (11_689_512, (3, 224, 224))
    assert card.mean == (0.485, 0.456, 0.406)
    assert card.paper == "Deep Residual Learning for Image Recognition, https://arxiv.org/abs/1512.03385"
    assert models.get("torchvision:efficientnet_b4").card.input_shape == (3, 380, 380)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["inception_v3", "vit_b_16", "regnet_y_400mf", "densenet121", "maxvit_t"])
def test_the_card_counts_the_parameters_of_the_odd_ones(name: str) -> None:
    entry = models.get(f"torchvision:{name}")
    assert sum(p.numel() for p in entry.build().parameters()) == entry.card.parameters


def test_an_unknown_name_is_refused() -> None:
    with pytest.raises(Refused, match=r"no classification network called 'resnet19': try .*resnet18"):
        models.get("torchvision:resnet19")
    with pytest.raises(Refused, match="no classification network"):
        models.get("torchvision:fasterrcnn_resnet50_fpn")


def test_the_publishers_weights_are_read_from_their_file(file: Path) -> None:
    source = build(NAME, 1000, seed=5)
    torch.save(source.state_dict(), file)
    network, card = load(ModelRef(name=NAME), "imagenet", 1000)
    assert all(torch.equal(network.state_dict()[name], value) for name, value in source.state_dict().items())
    assert card.name == NAME


def test_a_file_with_code_in_their_place_is_refused(file: Path) -> None:
    torch.save(torch.nn.Linear(2, 2), file)
    with pytest.raises(Refused, match="could run code"):
        load(ModelRef(name=NAME), "imagenet", 1000)


def test_without_a_network_it_says_which_file_goes_where(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def offline(*_: object) -> None:
        raise URLError("no network")

    monkeypatch.setattr("torch.hub.download_url_to_file", offline)
    with pytest.raises(Refused) as caught:
        load(ModelRef(name=NAME), "imagenet", 1000)
    assert f"https://download.pytorch.org/models/{file.name}" in str(caught.value)
    assert str(caught.value).endswith(f"put it at {file}")


def test_other_classes_need_a_training() -> None:
    with pytest.raises(Refused, match="no trained weights of torchvision:squeezenet1_1 for 10 classes"):
        load(ModelRef(name=NAME), "cifar10", 10)
