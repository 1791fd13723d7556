"""Small networks that stand for what the techniques make."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from workbench.grid import Grid, GridSpec
from workbench.network import hold_, layers

Compress = Callable[..., nn.Module]


class PaddedBlock(nn.Module):
    """A residual block whose shortcut takes every other pixel and pads channels, as in CIFAR ResNets of option A."""

    def __init__(self, into: int, out: int, inner: int) -> None:
        super().__init__()
        self.pad = out - into
        self.conv1 = nn.Conv2d(into, inner, 3, stride=2, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(inner)
        self.conv2 = nn.Conv2d(inner, out, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(out)

    def forward(self, x: Tensor) -> Tensor:
        shortcut = F.pad(x[:, :, ::2, ::2], (0, 0, 0, 0, self.pad // 2, self.pad // 2))
        return (self.bn2(self.conv2(F.relu(self.bn1(self.conv1(x))))) + shortcut).relu()


class PaddedResNet(nn.Module):
    def __init__(self, *inner: int) -> None:
        super().__init__()
        self.stem = nn.Conv2d(1, 4, 3, padding=1)
        self.blocks = nn.Sequential(PaddedBlock(4, 8, inner[0]), PaddedBlock(8, 16, inner[1]))
        self.fc = nn.Linear(16, 10)

    def forward(self, x: Tensor) -> Tensor:
        return self.fc(self.blocks(self.stem(x)).mean((2, 3)))


def randomised(model: nn.Module) -> nn.Module:
    """Give every floating tensor of a network values of its own, by a fixed seed."""
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for tensor in (*model.parameters(), *model.buffers()):
            if tensor.is_floating_point():
                tensor.copy_(torch.rand(tensor.shape, generator=generator) + 0.1 - 0.6 * (tensor.ndim > 1))
    return model.eval()


@pytest.fixture
def plain() -> Callable[[str], nn.Module]:
    """Build a small network of convolution, batch norm and linear layers, for 8x8 images."""

    def build(_: str = "") -> nn.Module:
        return randomised(
            nn.Sequential(
                nn.Conv2d(1, 8, 3, padding=1),
                nn.BatchNorm2d(8),
                nn.ReLU(),
                nn.Conv2d(8, 16, 3, stride=2, padding=1, bias=False),
                nn.BatchNorm2d(16),
                nn.ReLU(),
                nn.Flatten(),
                nn.Linear(256, 10),
            )
        )

    return build


@pytest.fixture
def padded() -> Callable[..., nn.Module]:
    """Build a residual network with padded shortcuts; its arguments are the inner channels of its two blocks."""
    return lambda *inner: randomised(PaddedResNet(*(inner or (8, 16))))


@pytest.fixture
def compressed() -> Compress:
    """Prune and quantize all layers of a network in place."""

    def compress(model: nn.Module, *, bits: int = 32, prune: float = 0.0, **grid: Any) -> nn.Module:
        for layer in layers(model).values():
            weight = layer.weight.detach()
            if prune:
                hold_(layer, mask=weight.abs() > weight.abs().flatten().quantile(prune))
            if bits < 32:
                hold_(layer, grid=Grid.fit(layer.weight, GridSpec(bits=bits, **grid)))
        return model

    return compress


@pytest.fixture
def images() -> Tensor:
    """Three images of 8x8 pixels."""
    return torch.rand(3, 1, 8, 8, generator=torch.Generator().manual_seed(2))
