"""Networks to time: small ones of random shapes to calibrate with, and families of known ones to check with."""

from __future__ import annotations

import math
import random
from collections.abc import Callable
from typing import TypeAlias

import torch
from torch import Tensor, nn
from torch.nn import functional as F

Sample: TypeAlias = tuple[nn.Module, tuple[int, ...]]
"""A network in evaluation mode, and the shape of one input without the batch."""
_SIDES = (4, 6, 8, 12, 14, 16, 20, 24, 28, 32)


def samples(count: int, draw: random.Random) -> list[Sample]:
    """Return single layers of all kinds, and twice as many sequences of blocks, where layers find cold caches."""
    layers = (_conv, _conv, _pointwise, _depthwise, _linear, _light)
    kinds = (*layers, *(_sequence for _ in 2 * layers))
    return [_ready(draw.choice(kinds)(draw)) for _ in range(count)]


def unseen(count: int, draw: random.Random) -> list[Sample]:
    """Return networks like those of the model zoo at random widths: a small CNN, ResNet-20, an inverted bottleneck."""
    families = (_small_cnn, _resnet, _bottlenecks)
    return [_ready(families[number % 3](draw)) for number in range(count)]


def _ready(sample: Sample) -> Sample:
    return sample[0].eval(), sample[1]


def _log(draw: random.Random, low: int, high: int) -> int:
    return round(math.exp(draw.uniform(math.log(low), math.log(high))))


def _conv(draw: random.Random) -> Sample:
    channels, side = draw.choice((1, 3, *[_log(draw, 2, 160)] * 8)), draw.choice(_SIDES)
    layer = nn.Conv2d(
        channels, _log(draw, 2, 160), draw.choice((3, 3, 3, 5)), draw.choice((1, 1, 1, 2)), 1, bias=draw.random() < 0.5
    )
    return layer, (channels, side, side)


def _pointwise(draw: random.Random) -> Sample:
    channels, side = _log(draw, 2, 160), draw.choice(_SIDES)
    return nn.Conv2d(channels, _log(draw, 2, 160), 1, draw.choice((1, 1, 2)), bias=False), (channels, side, side)


def _depthwise(draw: random.Random) -> Sample:
    channels, side = _log(draw, 2, 200), draw.choice(_SIDES)
    stride = draw.choice((1, 1, 2))
    return nn.Conv2d(channels, channels, 3, stride, 1, groups=channels, bias=False), (channels, side, side)


def _linear(draw: random.Random) -> Sample:
    inputs = _log(draw, 8, 2048)
    return nn.Linear(inputs, _log(draw, 8, 1024)), (inputs,)


class _Sum(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x + x


class _Shortcut(nn.Module):
    """What a shortcut without weights does between stages: it drops positions and pads channels."""

    def forward(self, x: Tensor) -> Tensor:
        return F.pad(x[:, :, ::2, ::2], (0, 0, 0, 0, 2, 2))


def _light(draw: random.Random) -> Sample:
    channels, side = _log(draw, 2, 160), draw.choice(_SIDES)
    makers: tuple[Callable[[], nn.Module], ...] = (
        lambda: nn.BatchNorm2d(channels),
        lambda: nn.BatchNorm2d(channels),
        nn.ReLU,
        nn.ReLU6,
        lambda: nn.ReLU(inplace=True),
        _Sum,
        lambda: nn.MaxPool2d(2),
        lambda: nn.AdaptiveAvgPool2d(1),
        _Shortcut,
        nn.Flatten,
    )
    return draw.choice(makers)(), (channels, side, side)


def _normed(into: int, out: int, kernel: int, stride: int = 1, groups: int = 1) -> list[nn.Module]:
    return [nn.Conv2d(into, out, kernel, stride, kernel // 2, groups=groups, bias=False), nn.BatchNorm2d(out)]


class _Residual(nn.Module):
    def __init__(self, into: int, inner: int, out: int, stride: int) -> None:
        super().__init__()
        self.body = nn.Sequential(*_normed(into, inner, 3, stride), nn.ReLU(), *_normed(inner, out, 3))
        same = into == out and stride == 1
        self.shortcut = nn.Identity() if same else nn.Sequential(*_normed(into, out, 1, stride))

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(self.body(x) + self.shortcut(x))


class _Inverted(nn.Module):
    def __init__(self, into: int, inner: int, out: int, stride: int) -> None:
        super().__init__()
        wide, deep = _normed(into, inner, 1), _normed(inner, inner, 3, stride, inner)
        self.body = nn.Sequential(*wide, nn.ReLU6(), *deep, nn.ReLU6(), *_normed(inner, out, 1))
        self.same = into == out and stride == 1

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.body(x)
        return x + out if self.same else out


class _Head(nn.Module):
    def __init__(self, channels: int) -> None:
        super().__init__()
        self.linear = nn.Linear(channels, 10)

    def forward(self, x: Tensor) -> Tensor:
        scores: Tensor = self.linear(x.mean((2, 3)))
        return scores


def _sequence(draw: random.Random) -> Sample:
    side, into = draw.choice((8, 16, 32)), _log(draw, 4, 80)
    first, blocks = into, []
    for _ in range(draw.randint(2, 7)):
        out, stride = _log(draw, 4, 80), draw.choice((1, 2))
        plain = nn.Sequential(*_normed(into, out, draw.choice((1, 3))), nn.ReLU())
        made = (plain, _Residual(into, out, out, stride), _Inverted(into, 4 * into, out, stride))
        blocks.append(draw.choice(made))
        into = out
    return nn.Sequential(*blocks), (first, side, side)


def _small_cnn(draw: random.Random) -> Sample:
    a, b, c = draw.randint(8, 32), draw.randint(8, 64), draw.randint(16, 128)
    layers = [*_normed(1, a, 3), nn.ReLU(), *_normed(a, a, 3), nn.ReLU(), nn.MaxPool2d(2), *_normed(a, b, 3), nn.ReLU()]
    return nn.Sequential(*layers, nn.Flatten(), nn.Linear(16 * b, c), nn.ReLU(), nn.Linear(c, 10)), (1, 8, 8)


def _resnet(draw: random.Random) -> Sample:
    a, b, c = draw.randint(6, 16), draw.randint(10, 32), draw.randint(16, 64)
    stages = [(a, a, 1), (a, a, 1), (a, a, 1), (a, b, 2), (b, b, 1), (b, b, 1), (b, c, 2), (c, c, 1), (c, c, 1)]
    blocks = [_Residual(into, draw.randint((out + 1) // 2, out), out, stride) for into, out, stride in stages]
    return nn.Sequential(*_normed(3, a, 3), nn.ReLU(), *blocks, _Head(c)), (3, 32, 32)


def _bottlenecks(draw: random.Random) -> Sample:
    width = draw.uniform(0.4, 1.0)
    a, b, c, d = (max(2, round(channels * width)) for channels in (16, 24, 32, 64))
    stages = [(a, b, 1), (b, b, 1), (b, c, 2), (c, c, 1), (c, d, 2), (d, d, 1)]
    blocks = [_Inverted(into, draw.randint(2 * into, 4 * into), out, stride) for into, out, stride in stages]
    return nn.Sequential(*_normed(3, a, 3), nn.ReLU6(), *blocks, _Head(d)), (3, 32, 32)


def example(shape: tuple[int, ...]) -> Tensor:
    """Return one input of that shape, of numbers that are no zeros."""
    return torch.linspace(-1, 1, math.prod(shape)).reshape(1, *shape)
