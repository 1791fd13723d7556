"""The space of small mobile networks for the 8x8 digits: a few kilobytes, of which one network can train all."""

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
class DigitsSpace(Space):
    """Two stages of inverted residual blocks, the second at half the resolution with `growth` times the channels."""

    name = "digits-space"
    title = "Digits, mobile"
    summary = "Two stages of inverted residual blocks with depthwise convolutions."
    paper = "Sandler et al. 2018, https://arxiv.org/abs/1801.04381"
    data = ("digits", "mnist")
    input_shape = (1, 8, 8)
    mean = (0.305,)
    std = (0.376,)
    training = Training(epochs=30, lr=0.1, augment=True)
    nested = True

    depth: Annotated[int, Range(1, 3, 1, "blocks in each stage")] = 2
    width: Annotated[int, Range(4, 16, 4, "channels of the first stage")] = 12
    growth: Annotated[int, Choice(1, 2, help="channels of the second stage, as a multiple")] = 2
    kernel: Annotated[int, Choice(3, 5, help="pixels on a side that a convolution sees")] = 3
    expansion: Annotated[int, Choice(1, 2, 3, help="how many times as wide a block is inside")] = 2
    resolution: Annotated[int, Choice(4, 8, help="pixels on a side that the network works on")] = 8

    def build(self, classes: int) -> nn.Module:
        wide = self.width * self.growth
        block = {"expansion": self.expansion, "kernel": self.kernel}
        return nn.Sequential(
            OrderedDict(
                stem=stem(1, self.width, kernel=self.kernel, pool=8 // self.resolution),
                stage1=stage(self.depth, self.width, self.width, stride=1, **block),
                stage2=stage(self.depth, self.width, wide, stride=2, **block),
                relu=nn.ReLU(),
                pool=nn.AdaptiveAvgPool2d(1),
                flatten=nn.Flatten(),
                linear=nn.Linear(wide, classes),
            )
        )


models.register_family(DigitsSpace.name, member_of(DigitsSpace))
