"""What all tests share: one thread each, a workbench home of their own, a browser, real data where there are, a toy."""

from __future__ import annotations

import copy
import os
import shutil
from collections import OrderedDict
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NoReturn

import pytest
from hypothesis import HealthCheck, settings

# before torch is imported, also in the processes that tests start: workers and threads would fight over the cores
os.environ["OMP_NUM_THREADS"] = "1"

import torch
from torch import nn
from torch.nn import functional as F

from workbench.context import Context
from workbench.errors import Refused
from workbench.images import Preprocess, TensorImages, View

# how long one example takes says more about the machine than about the code
settings.register_profile("patient", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("patient")

ROOT = Path(__file__).parents[1]
SHARED = ROOT.parent / "shared" / "data"


def missing(reason: str) -> NoReturn:
    """Skip the test; in CI, where nothing may be missing, fail it."""
    if os.environ.get("CI"):
        pytest.fail(f"{reason} (CI is set, so this is a failure)")
    pytest.skip(reason)


@pytest.fixture(scope="session", autouse=True)
def workbench_home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Keep results and weights of the tests away from the person's own."""
    before = os.environ.get("WORKBENCH_HOME")
    home = tmp_path_factory.mktemp("home")
    os.environ["WORKBENCH_HOME"] = str(home)
    yield home
    del os.environ["WORKBENCH_HOME"]
    if before is not None:
        os.environ["WORKBENCH_HOME"] = before


@pytest.fixture(scope="session")
def browser_type_launch_args(browser_type_launch_args: dict[str, Any]) -> dict[str, Any]:
    """Use the system's Chromium instead of one that Playwright downloads."""
    chromium = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if chromium is None:
        missing("there is no Chromium here: install it, for instance with `apt install chromium`")
    arguments = ["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--disable-background-networking"]
    return {**browser_type_launch_args, "executable_path": chromium, "args": arguments}


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Return the folder with real MNIST, CIFAR-10 images and a real ResNet-20, beside the repository."""
    if not SHARED.is_dir():
        missing(f"there are no real data in {SHARED}")
    return SHARED


# a toy: three classes of striped images, and a small network that knows them

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


@pytest.fixture
def quick_search(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let budgets turn one dial and try little: enough for whoever tests what stands on them."""
    from workbench.search import budget, uniform

    monkeypatch.setattr(budget, "USUAL", ("weight_bits",))
    monkeypatch.setattr(uniform, "_BEST", 1)
