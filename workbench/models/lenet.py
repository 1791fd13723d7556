"""The two networks for MNIST on which pruning papers have compared themselves for thirty years."""

from __future__ import annotations

from collections import OrderedDict

from torch import nn

from workbench.cards import Model, ModelCard, Training
from workbench.registry import models


def lenet_300_100(classes: int = 10) -> nn.Module:
    """Return the perceptron 784-300-100-classes."""
    return nn.Sequential(
        OrderedDict(
            flatten=nn.Flatten(),
            fc1=nn.Linear(784, 300),
            relu1=nn.ReLU(),
            fc2=nn.Linear(300, 100),
            relu2=nn.ReLU(),
            fc3=nn.Linear(100, classes),
        )
    )


def lenet5(classes: int = 10) -> nn.Module:
    """Return LeNet-5 in the Caffe variant, 20-50-500, that the Deep Compression paper measures."""
    return nn.Sequential(
        OrderedDict(
            conv1=nn.Conv2d(1, 20, 5),
            pool1=nn.MaxPool2d(2),
            conv2=nn.Conv2d(20, 50, 5),
            pool2=nn.MaxPool2d(2),
            flatten=nn.Flatten(),
            fc1=nn.Linear(800, 500),
            relu1=nn.ReLU(),
            fc2=nn.Linear(500, classes),
        )
    )


def _card(name: str, title: str, summary: str, parameters: int) -> ModelCard:
    return ModelCard(
        name=name,
        title=title,
        summary=summary,
        input_shape=(1, 28, 28),
        mean=(0.1307,),
        std=(0.3081,),
        classes=10,
        parameters=parameters,
        data=("mnist", "fashion-mnist"),
        licence="BSD-3-Clause",
        paper="LeCun et al. 1998, https://doi.org/10.1109/5.726791; Han et al. 2016, https://arxiv.org/abs/1510.00149",
    )


models.register(
    Model(
        card=_card("lenet-300-100", "LeNet-300-100", "A perceptron with two hidden layers.", 266_610),
        build=lenet_300_100,
        build_for=lenet_300_100,
        training=Training(epochs=10, lr=0.05, batch=128),
    )
)
models.register(
    Model(
        card=_card("lenet5", "LeNet-5 (20-50-500)", "Two convolutions and two linear layers.", 431_080),
        build=lenet5,
        build_for=lenet5,
        training=Training(epochs=5, lr=0.05, batch=128),
    )
)
