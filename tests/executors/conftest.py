"""Jobs that take a moment, and a network that kills its worker."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from workbench.recipe import Recipe
from workbench.registry import techniques
from workbench.result import DataRef, Job, ModelRef

NET = """
import multiprocessing
import os
import signal
from pathlib import Path

import torch
from torch import nn


def fine():
    torch.manual_seed(0)
    return nn.Sequential(nn.Flatten(), nn.Linear(64, 10))


def deadly():
    if multiprocessing.parent_process() is not None:
        os.kill(os.getpid(), signal.SIGKILL)
    return fine()


def deadly_once():
    marker = Path(__file__).with_suffix(".died")
    if multiprocessing.parent_process() is not None and not marker.exists():
        marker.touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return fine()


def slow():
    if multiprocessing.parent_process() is not None:
        Path(__file__).with_suffix(".begun").touch()
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(1, 64, 3), nn.Conv2d(64, 64, 3), nn.Flatten(), nn.Linear(1024, 10))
"""


@pytest.fixture(scope="session")
def make_jobs() -> Callable[..., list[Job]]:
    """Makes a job of a digits network for each share of weights to prune."""

    def make(ratios: Sequence[float] = (0.2, 0.4, 0.6, 0.8), model: str = "digits-mlp", **changes: object) -> list[Job]:
        step = techniques.get("magnitude")
        recipes = [Recipe((step(ratio=ratio, method="mask", score="magnitude"),)) for ratio in ratios]
        reference = ModelRef(name=model)
        usual: dict[str, object] = {"model": reference, "data": DataRef(name="digits")}
        return [Job(recipe=recipe, **(usual | changes)) for recipe in recipes]

    return make


@pytest.fixture
def net(tmp_path: Path) -> Path:
    """A file with a network of the user's own that is fine, and others that kill whoever builds them elsewhere."""
    path = tmp_path / "net.py"
    path.write_text(NET)
    return path
