"""The inverted residual block, of which mobile networks are made (Sandler et al. 2018, https://arxiv.org/abs/1801.04381)."""

from __future__ import annotations

from collections import OrderedDict
from typing import final

from torch import Tensor, nn


@final
class InvertedResidual(nn.Module):
    """Wide inside, narrow outside: 1x1 up to `expansion` times the channels, kxk depthwise, 1x1 down.

    Beside a shortcut where the shape stays. The last convolution has no activation, as in the paper. The layers have
    the same names whatever the expansion, so that a small block is a part of a large one.
    """

    def __init__(self, inputs: int, outputs: int, *, stride: int, expansion: int, kernel: int) -> None:
        super().__init__()
        wide = inputs * expansion
        self.conv = nn.Sequential(
            OrderedDict(
                expand=nn.Conv2d(inputs, wide, 1, bias=False),
                expand_bn=nn.BatchNorm2d(wide),
                expand_relu=nn.ReLU(),
                depthwise=nn.Conv2d(wide, wide, kernel, stride, kernel // 2, groups=wide, bias=False),
                depthwise_bn=nn.BatchNorm2d(wide),
                depthwise_relu=nn.ReLU(),
                project=nn.Conv2d(wide, outputs, 1, bias=False),
                project_bn=nn.BatchNorm2d(outputs),
            )
        )
        self.shortcut = stride == 1 and inputs == outputs

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.conv(x)
        return x + y if self.shortcut else y


def stage(count: int, inputs: int, outputs: int, *, stride: int, expansion: int, kernel: int) -> nn.Sequential:
    """Return `count` blocks, the first of which changes the shape."""
    return nn.Sequential(
        *(
            InvertedResidual(
                inputs if number == 0 else outputs,
                outputs,
                stride=stride if number == 0 else 1,
                expansion=expansion,
                kernel=kernel,
            )
            for number in range(count)
        )
    )


def stem(channels: int, width: int, *, kernel: int, stride: int = 1, pool: int = 1) -> nn.Sequential:
    """Return the first convolution, behind a mean over `pool` x `pool` pixels."""
    return nn.Sequential(
        OrderedDict(
            pool=nn.AvgPool2d(pool) if pool > 1 else nn.Identity(),
            conv=nn.Conv2d(channels, width, kernel, stride, kernel // 2, bias=False),
            bn=nn.BatchNorm2d(width),
            relu=nn.ReLU(),
        )
    )
