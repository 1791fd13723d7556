"""Three small networks for the 8x8 digits, with trained weights shipped: everything answers at once."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from typing import final

from torch import Tensor, nn
from torch.nn import functional as F

from workbench.cards import Model, ModelCard, Training
from workbench.registry import models


def mlp(classes: int = 10) -> nn.Module:
    """Return a perceptron with two hidden layers."""
    return nn.Sequential(
        OrderedDict(
            flatten=nn.Flatten(),
            fc1=nn.Linear(64, 128),
            relu1=nn.ReLU(),
            fc2=nn.Linear(128, 64),
            relu2=nn.ReLU(),
            fc3=nn.Linear(64, classes),
        )
    )


def cnn(classes: int = 10) -> nn.Module:
    """Return three convolutions with batch norm, pooled twice, and a linear layer."""
    return nn.Sequential(
        OrderedDict(
            conv1=nn.Conv2d(1, 24, 3, padding=1, bias=False),
            bn1=nn.BatchNorm2d(24),
            relu1=nn.ReLU(),
            conv2=nn.Conv2d(24, 48, 3, padding=1, bias=False),
            bn2=nn.BatchNorm2d(48),
            relu2=nn.ReLU(),
            pool2=nn.MaxPool2d(2),
            conv3=nn.Conv2d(48, 64, 3, padding=1, bias=False),
            bn3=nn.BatchNorm2d(64),
            relu3=nn.ReLU(),
            pool3=nn.MaxPool2d(2),
            flatten=nn.Flatten(),
            linear=nn.Linear(256, classes),
        )
    )


@final
class Block(nn.Module):
    """Two convolutions beside a shortcut, which is a 1x1 convolution where the shape changes."""

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(outputs)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(outputs)
        self.shortcut = nn.Sequential()
        if stride != 1 or inputs != outputs:
            self.shortcut = nn.Sequential(nn.Conv2d(inputs, outputs, 1, stride, bias=False), nn.BatchNorm2d(outputs))

    def forward(self, x: Tensor) -> Tensor:
        y = F.relu(self.bn1(self.conv1(x)))
        return F.relu(self.bn2(self.conv2(y)) + self.shortcut(x))


def resnet(classes: int = 10) -> nn.Module:
    """Return three residual blocks of 16, 32 and 48 channels."""
    return nn.Sequential(
        OrderedDict(
            conv1=nn.Conv2d(1, 16, 3, padding=1, bias=False),
            bn1=nn.BatchNorm2d(16),
            relu1=nn.ReLU(),
            block1=Block(16, 16, 1),
            block2=Block(16, 32, 2),
            block3=Block(32, 48, 2),
            pool=nn.AdaptiveAvgPool2d(1),
            flatten=nn.Flatten(),
            linear=nn.Linear(48, classes),
        )
    )


def _register(
    name: str, title: str, summary: str, build: Callable[[int], nn.Module], parameters: int, training: Training
) -> None:
    card = ModelCard(
        name=name,
        title=title,
        summary=summary,
        input_shape=(1, 8, 8),
        mean=(0.305,),
        std=(0.376,),
        classes=10,
        parameters=parameters,
        data=("digits", "mnist"),
        licence="BSD-3-Clause",
        paper="made for this project",
    )
    models.register(Model(card=card, build=lambda: build(10), build_for=build, training=training))


_LONG, _SHORT = Training(epochs=80, lr=0.1, augment=True), Training(epochs=30, lr=0.05, augment=True)

_register("digits-mlp", "Digits MLP", "A perceptron with two hidden layers, 64-128-64-10.", mlp, 17_226, _LONG)
_register("digits-cnn", "Digits CNN", "Three convolutions with batch norm, and a linear layer.", cnn, 41_074, _SHORT)
_register("digits-resnet", "Digits ResNet", "Three residual blocks, 16 to 48 channels.", resnet, 56_250, _SHORT)
