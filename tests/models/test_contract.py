"""What every registered model promises, and every family through one member."""

from __future__ import annotations

import copy
import dataclasses
from pathlib import Path

import pytest
import torch

from workbench.images import Preprocess, View
from workbench.models import _weights
from workbench.models._load import build, load
from workbench.network import architecture, check
from workbench.registry import data, models
from workbench.result import DataRef, ModelRef

TORCHVISION = ("torchvision:squeezenet1_1", "torchvision:googlenet")
NAMES = (*models.names(), *TORCHVISION)
FLOORS = {"digits-mlp": 0.96, "digits-cnn": 0.985, "digits-resnet": 0.985}
"""The least test accuracy of the weights that are shipped."""


@pytest.fixture(params=NAMES)
def entry(request: pytest.FixtureRequest):
    return models.get(request.param)


def example(entry) -> torch.Tensor:
    return torch.rand((2, *entry.card.input_shape), generator=torch.Generator().manual_seed(0))


def test_it_keeps_its_own_name(entry) -> None:
    assert entry.name in NAMES


def test_its_card_is_filled_in(entry) -> None:
    card = dataclasses.asdict(entry.card)
    assert [key for key, value in card.items() if not value] == []
    assert len(entry.card.mean) == len(entry.card.std) == entry.card.input_shape[0]
    assert min(entry.card.std) > 0


def test_its_card_counts_its_parameters(entry) -> None:
    assert sum(p.numel() for p in entry.build().parameters()) == entry.card.parameters


def test_it_can_be_compressed(entry) -> None:
    """It can be copied, is finite, and gives one score for each class: what `run` asks of a network."""
    check(build(entry.name, entry.card.classes).eval(), example(entry), entry.card.classes)


def test_it_returns_a_tensor_while_it_trains(entry) -> None:
    scores = build(entry.name, entry.card.classes).train()(example(entry))
    assert scores.shape == (2, entry.card.classes)


def test_a_copy_gives_the_same_scores(entry) -> None:
    network = build(entry.name, entry.card.classes).eval()
    with torch.no_grad():
        assert torch.equal(network(example(entry)), copy.deepcopy(network)(example(entry)))


def test_fresh_weights_are_always_the_same_and_disturb_nobody(entry) -> None:
    before = torch.random.get_rng_state()
    first, second, other = (build(entry.name, entry.card.classes, seed).state_dict() for seed in (0, 0, 1))
    assert torch.equal(torch.random.get_rng_state(), before)
    assert all(torch.equal(first[name], second[name]) for name in first)
    assert any(not torch.equal(first[name], other[name]) for name in first)


def test_it_carries_the_name_under_which_it_can_be_built(entry) -> None:
    assert architecture(build(entry.name, entry.card.classes)) == entry.name


def test_it_is_built_for_other_classes(entry) -> None:
    with torch.no_grad():
        assert build(entry.name, 3).eval()(example(entry)).shape == (2, 3)


def test_it_says_how_it_is_trained(entry) -> None:
    assert entry.training is not None
    assert entry.training.epochs > 0


@pytest.mark.parametrize("name", FLOORS)
def test_the_shipped_weights_reach_their_accuracy(name: str) -> None:
    network, card = load(ModelRef(name=name), "digits", 10)
    test = View(data.get("digits").open(DataRef(name="digits")).test, Preprocess(card.input_shape, card.mean, card.std))
    with torch.no_grad():
        hits = network.eval()(test.inputs(torch.arange(len(test)))).argmax(1) == test.labels
    assert FLOORS[name] <= hits.float().mean() < 1


def test_all_weights_that_are_shipped_belong_to_a_model_and_are_small() -> None:
    files = list(Path(_weights.__file__).parent.glob("weights/*"))
    assert {path.stem for path in files} == set(FLOORS)
    assert sum(path.stat().st_size for path in files) < 2**20
