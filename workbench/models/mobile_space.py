"""The space of MobileNetV2-like networks for 32x32 colour images."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from typing import Annotated, final

from torch import nn

from workbench.cards import Training
from workbench.fields import Choice, Range
from workbench.models._inverted import stage, stem
from workbench.models._space import member_of
from workbench.registry import models, spaces
from workbench.space import Space


@spaces.register
@final
@dataclass(frozen=True, kw_only=True)
class MobileSpace(Space):
    """Three stages of inverted residual blocks, each at half the resolution with one and a half times the channels."""

    name = "mobile-space"
    title = "Mobile, 32x32"
    summary = "Three stages of inverted residual blocks, like a small MobileNetV2."
    paper = "Sandler et al. 2018, https://arxiv.org/abs/1801.04381"
    data = ("cifar10",)
    input_shape = (3, 32, 32)
    mean = (0.4914, 0.4822, 0.4465)
    std = (0.2470, 0.2435, 0.2616)
    training = Training(epochs=100, lr=0.1, batch=128, augment=True)
    nested = True

    depth: Annotated[int, Range(1, 4, 1, "blocks in each stage")] = 2
    width: Annotated[int, Range(8, 48, 8, "channels of the first stage")] = 24
    kernel: Annotated[int, Choice(3, 5, help="pixels on a side that a convolution sees")] = 3
    expansion: Annotated[int, Choice(2, 3, 4, 6, help="how many times as wide a block is inside")] = 4
    resolution: Annotated[int, Choice(16, 32, help="pixels on a side that the network works on")] = 32

    def build(self, classes: int) -> nn.Module:
        first, second, third = self.width, self.width * 3 // 2, self.width * 9 // 4
        block = {"stride": 2, "expansion": self.expansion, "kernel": self.kernel}
        return nn.Sequential(
            OrderedDict(
                stem=stem(3, first, kernel=3, pool=32 // self.resolution),
                stage1=stage(self.depth, first, first, **block),
                stage2=stage(self.depth, first, second, **block),
                stage3=stage(self.depth, second, third, **block),
                relu=nn.ReLU(),
                pool=nn.AdaptiveAvgPool2d(1),
                flatten=nn.Flatten(),
                linear=nn.Linear(third, classes),
            )
        )


models.register_family(MobileSpace.name, member_of(MobileSpace))
