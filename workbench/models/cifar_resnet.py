"""Residual networks for CIFAR-10: 6n + 2 layers, 16 to 64 channels, shortcuts without parameters (option A).

The names in their state dicts are those of the common public re-implementation
(https://github.com/akamaster/pytorch_resnet_cifar10), so that its checkpoints load.
"""

from __future__ import annotations

import functools
from typing import final

from torch import Tensor, nn
from torch.nn import functional as F

from workbench.cards import Model, ModelCard, Training
from workbench.registry import models


@final
class PaddedShortcut(nn.Module):
    """Takes every second pixel and pads the new channels with zeros, the same number before and after the old ones."""

    def __init__(self, new_channels: int) -> None:
        super().__init__()
        self.pad = new_channels // 2

    def forward(self, x: Tensor) -> Tensor:
        return F.pad(x[:, :, ::2, ::2], (0, 0, 0, 0, self.pad, self.pad))


@final
class Block(nn.Module):
    """Two convolutions beside a shortcut."""

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(outputs)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(outputs)
        self.shortcut = nn.Identity() if stride == 1 else PaddedShortcut(outputs - inputs)

    def forward(self, x: Tensor) -> Tensor:
        y = F.relu(self.bn1(self.conv1(x)))
        return F.relu(self.bn2(self.conv2(y)) + self.shortcut(x))


@final
class CifarResNet(nn.Module):
    """Three stages of `blocks` residual blocks on 32x32, 16x16 and 8x8 pixels."""

    def __init__(self, blocks: int, classes: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 16, 3, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(16)
        self.layer1 = _stage(blocks, 16, 16)
        self.layer2 = _stage(blocks, 16, 32)
        self.layer3 = _stage(blocks, 32, 64)
        self.linear = nn.Linear(64, classes)
        for module in self.modules():
            if isinstance(module, nn.Conv2d | nn.Linear):
                nn.init.kaiming_normal_(module.weight)

    def forward(self, x: Tensor) -> Tensor:
        x = F.relu(self.bn1(self.conv1(x)))
        x = self.layer3(self.layer2(self.layer1(x)))
        return self.linear(x.mean((2, 3)))  # type: ignore[no-any-return]


def _stage(blocks: int, inputs: int, outputs: int) -> nn.Sequential:
    first = Block(inputs, outputs, stride=1 if inputs == outputs else 2)
    return nn.Sequential(first, *(Block(outputs, outputs, stride=1) for _ in range(blocks - 1)))


def _register(depth: int, parameters: int) -> None:
    build = functools.partial(CifarResNet, (depth - 2) // 6)
    card = ModelCard(
        name=f"resnet{depth}",
        title=f"ResNet-{depth} for CIFAR",
        summary=f"{depth} layers in three stages of 16, 32 and 64 channels, padded shortcuts (option A).",
        input_shape=(3, 32, 32),
        mean=(0.485, 0.456, 0.406),
        std=(0.229, 0.224, 0.225),
        classes=10,
        parameters=parameters,
        data=("cifar10",),
        licence="BSD-3-Clause",
        paper="He et al. 2016, https://arxiv.org/abs/1512.03385",
    )
    training = Training(epochs=160, lr=0.1, batch=128, weight_decay=1e-4, augment=True)
    models.register(Model(card=card, build=lambda: build(10), build_for=build, training=training))


_register(20, 269_722)
_register(32, 464_154)
_register(44, 658_586)
_register(56, 853_018)
