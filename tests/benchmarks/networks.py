"""Networks that nothing was tuned on, as a user would bring them: plain files with a function that builds one."""

from __future__ import annotations

from torch import nn

WIDTHS = (24, 48, 96)


def vgg() -> nn.Module:
    """Return a plain stack of 3 x 3 convolutions for 32 x 32 images and ten classes, 0.2 M parameters."""
    parts: list[nn.Module] = []
    last = 3
    for width in WIDTHS:
        for _ in range(2):
            parts += [nn.Conv2d(last, width, 3, padding=1, bias=False), nn.BatchNorm2d(width), nn.ReLU()]
            last = width
        parts.append(nn.MaxPool2d(2))
    return nn.Sequential(*parts, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(last, 10))


class Inverted(nn.Module):
    """An inverted residual block with a depthwise convolution (Sandler et al. 2018, https://arxiv.org/abs/1801.04381)."""

    def __init__(self, into: int, out: int, stride: int, expand: int = 4) -> None:
        super().__init__()
        wide = expand * into
        self.same = stride == 1 and into == out
        self.body = nn.Sequential(
            *(nn.Conv2d(into, wide, 1, bias=False), nn.BatchNorm2d(wide), nn.ReLU6()),
            *(nn.Conv2d(wide, wide, 3, stride, 1, groups=wide, bias=False), nn.BatchNorm2d(wide), nn.ReLU6()),
            *(nn.Conv2d(wide, out, 1, bias=False), nn.BatchNorm2d(out)),
        )

    def forward(self, x):
        """Return the block's output."""
        return x + self.body(x) if self.same else self.body(x)


def mobile() -> nn.Module:
    """Return a small MobileNetV2 for 32 x 32 images and ten classes, 0.1 M parameters."""
    first = (nn.Conv2d(3, 16, 3, 1, 1, bias=False), nn.BatchNorm2d(16), nn.ReLU6())
    plan = ((16, 24, 2), (24, 24, 1), (24, 40, 2), (40, 40, 1), (40, 64, 1), (64, 64, 1))
    return nn.Sequential(
        *first, *(Inverted(*block) for block in plan), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(64, 10)
    )
