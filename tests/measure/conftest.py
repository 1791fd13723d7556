"""Subjects to measure: a network with made-up test images."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import nn

from workbench.images import Preprocess, TensorImages, View
from workbench.measuring import Subject

MakeSubject = Callable[..., Subject]


@pytest.fixture
def subject() -> MakeSubject:
    """Make a subject of a network and n images whose first pixel is 25 times their label."""

    def make(model: nn.Module, n: int = 700, shape: tuple[int, int, int] = (1, 4, 4), **other: Any) -> Subject:
        generator = torch.Generator().manual_seed(0)
        labels = torch.randint(0, 10, (n,), generator=generator)
        pixels = torch.randint(0, 256, (n, *shape), generator=generator).to(torch.uint8)
        pixels[:, 0, 0, 0] = 25 * labels
        channels = shape[0]
        view = View(TensorImages(pixels, labels), Preprocess(shape, (0.0,) * channels, (1.0,) * channels))
        return Subject(model=model.eval(), test=view, **other)

    return make
