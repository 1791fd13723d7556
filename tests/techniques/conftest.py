"""A toy that techniques are tested on: three classes of striped images, and a small network that knows them."""

from __future__ import annotations

import copy
from collections import OrderedDict
from collections.abc import Callable

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from workbench.context import Context
from workbench.errors import Refused
from workbench.images import Preprocess, TensorImages, View

CLASSES = 3


def toy_view(count: int, seed: int) -> View:
    """Return images whose class is the pair of rows that is bright, under noise."""
    generator = torch.Generator().manual_seed(seed)
    labels = torch.arange(count) % CLASSES
    pixels = torch.randint(0, 90, (count, 1, 8, 8), generator=generator)
    for number, label in enumerate(labels.tolist()):
        pixels[number, :, 2 * label + 1 : 2 * label + 3] += 90
    return View(TensorImages(pixels.to(torch.uint8), labels), Preprocess((1, 8, 8), (0.3,), (0.25,)))


def toy_net(seed: int = 0, classes: int = CLASSES) -> nn.Module:
    """Return two convolutions with batch norm and a linear layer, with fresh weights."""
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)
        return nn.Sequential(
            OrderedDict(
                conv1=nn.Conv2d(1, 6, 3, padding=1, bias=False),
                bn1=nn.BatchNorm2d(6),
                relu1=nn.ReLU(),
                conv2=nn.Conv2d(6, 8, 3, padding=1),
                bn2=nn.BatchNorm2d(8),
                relu2=nn.ReLU(),
                pool=nn.AvgPool2d(2),
                flatten=nn.Flatten(),
                fc=nn.Linear(128, classes),
            )
        )


@pytest.fixture(scope="session")
def trained() -> nn.Module:
    """The toy network, trained; tests take the copy `net`."""
    model, view = toy_net().train(), toy_view(240, 1)
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
    for _ in range(3):
        for _, inputs, labels in view.batches(24):
            optimizer.zero_grad(set_to_none=True)
            F.cross_entropy(model(inputs), labels).backward()
            optimizer.step()
    optimizer.zero_grad(set_to_none=True)
    return model.eval()


@pytest.fixture
def net(trained: nn.Module) -> nn.Module:
    """A copy of the trained toy network, in evaluation mode."""
    return copy.deepcopy(trained)


@pytest.fixture
def fresh() -> Callable[..., nn.Module]:
    """Builds the toy network with fresh weights, by seed and number of classes."""
    return toy_net


@pytest.fixture
def make_ctx(trained: nn.Module) -> Callable[..., Context]:
    """Builds a context of the toy; each has a copy of the original and a cache of its own."""

    def zoo(name: str) -> nn.Module:
        if name == "toy":
            return toy_net(seed=7)
        raise Refused(f"there is no model called {name!r}: known are toy")

    def make(**changes: object) -> Context:
        usual = {
            "original": copy.deepcopy(trained),
            "train": toy_view(240, 1),
            "validation": toy_view(90, 2),
            "calibration": toy_view(96, 3),
            "build": zoo,
            "load": zoo,
        }
        return Context(**(usual | changes))

    return make


@pytest.fixture
def ctx(make_ctx: Callable[..., Context]) -> Context:
    """A context of the toy."""
    return make_ctx()
