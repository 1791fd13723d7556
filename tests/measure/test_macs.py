from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from workbench.measure.macs import OUTSIDE, Macs
from workbench.measuring import Reading


def read(subject, model: nn.Module, shape: tuple[int, int, int] = (1, 4, 4)) -> Reading:
    (reading,) = Macs().read(subject(model, 2, shape))
    assert reading.estimate.value == sum(reading.details["layers"].values())
    return reading


@pytest.mark.parametrize(
    ("layer", "shape", "expected"),
    [
        (nn.Sequential(nn.Flatten(), nn.Linear(48, 7)), (3, 4, 4), 48 * 7),
        (nn.Linear(4, 5), (3, 4, 4), 12 * 4 * 5),  # on each of 12 rows
        (nn.Conv2d(3, 8, 3), (3, 6, 6), 8 * 3 * 9 * 4 * 4),
        (nn.Conv2d(3, 8, 3, padding=1, stride=2), (3, 6, 6), 8 * 3 * 9 * 3 * 3),
        (nn.Conv2d(4, 8, 3, groups=4), (4, 6, 6), 8 * 1 * 9 * 4 * 4),
        (nn.Conv2d(3, 8, (1, 5), dilation=(1, 1)), (3, 6, 6), 8 * 3 * 5 * 6 * 2),
        (nn.ConvTranspose2d(3, 8, 3, stride=2), (3, 4, 4), 3 * 16 * 8 * 9),  # each input meets 8 x 9 weights
        (nn.ConvTranspose2d(4, 8, 2, groups=2), (4, 4, 4), 4 * 16 * 4 * 4),
    ],
)
def test_layers_agree_with_hand_worked_counts(
    subject, layer: nn.Module, shape: tuple[int, int, int], expected: int
) -> None:
    assert read(subject, layer, shape).estimate.value == expected


class ResNet20(nn.Module):
    """The CIFAR ResNet-20 of He et al. 2016 with padded shortcuts."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 16, 3, padding=1)
        widths = [(16, 16)] * 3 + [(16, 32)] + [(32, 32)] * 2 + [(32, 64)] + [(64, 64)] * 2
        self.first = nn.ModuleList(nn.Conv2d(i, o, 3, stride=1 + (i < o), padding=1) for i, o in widths)
        self.second = nn.ModuleList(nn.Conv2d(o, o, 3, padding=1) for _, o in widths)
        self.fc = nn.Linear(64, 10)

    def forward(self, x: Tensor) -> Tensor:
        x = self.stem(x).relu()
        for first, second in zip(self.first, self.second, strict=True):
            short = x
            if first.stride[0] == 2:
                short = F.pad(x[:, :, ::2, ::2], (0, 0, 0, 0, first.in_channels // 2, first.in_channels // 2))
            x = (second(first(x).relu()) + short).relu()
        return self.fc(x.mean((2, 3)))


def test_resnet20_has_its_published_forty_million(subject) -> None:
    # stem 3*16*9*32^2; stage 1: 6 convs of 16*16*9*32^2; stages 2 and 3: one conv of half that, 5 of that; fc 64*10
    conv = 16 * 16 * 9 * 32**2
    expected = 3 * 16 * 9 * 32**2 + 6 * conv + 2 * (conv // 2 + 5 * conv) + 640
    reading = read(subject, ResNet20(), (3, 32, 32))
    assert reading.estimate.value == expected == 40_551_040
    assert reading.details["layers"]["first.3"] == conv // 2
    assert reading.notes == ()


def test_functional_operators_count_where_they_run(subject) -> None:
    class Functional(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.inner = nn.Linear(4, 4)
            self.weight = nn.Parameter(torch.ones(2, 1, 3, 3))

        def forward(self, x: Tensor) -> Tensor:
            x = F.conv2d(self.inner(x), self.weight)
            return torch.einsum("nchw,chwk->nk", x, torch.ones(2, 2, 2, 10))

    layers = read(subject, Functional()).details["layers"]
    assert layers == {"inner": 4 * 4 * 4, OUTSIDE: 2 * 9 * 4 + 2 * 2 * 2 * 10}


@pytest.mark.parametrize("mask", [False, True])
def test_attention_counts_its_two_products(subject, mask: bool) -> None:
    class Attention(nn.Module):
        def forward(self, x: Tensor) -> Tensor:  # [1, 3 heads, 5, 8]
            allowed = torch.ones(5, 5, dtype=torch.bool) if mask else None
            return F.scaled_dot_product_attention(x, x, x, allowed)

    assert read(subject, Attention(), (3, 5, 8)).estimate.value == 2 * 3 * 5 * 5 * 8


@pytest.mark.parametrize("grad", [False, True], ids=["fused", "by parts"])
def test_multihead_attention_counts_the_same_however_it_runs(subject, grad: bool) -> None:
    class Attention(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.attention = nn.MultiheadAttention(8, 2, batch_first=True)

        def forward(self, x: Tensor) -> Tensor:
            with torch.set_grad_enabled(grad):  # the fused operator runs without gradients only
                return self.attention(x[0], x[0], x[0], need_weights=False)[0]

    # three images of five tokens: four projections of 8 x 8 for each token, and two products of 5 x 5 x 8
    assert read(subject, Attention(), (3, 5, 8)).estimate.value == 3 * (5 * 4 * 8 * 8 + 2 * 5 * 5 * 8)


def test_light_work_is_listed_and_not_counted(subject) -> None:
    model = nn.Sequential(
        nn.Conv2d(1, 2, 1),
        nn.BatchNorm2d(2),
        nn.ReLU(inplace=True),
        nn.Hardswish(inplace=True),
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Softmax(1),
    )
    reading = read(subject, model)
    light = reading.details["not counted"]
    assert light == dict.fromkeys(("_softmax", "hardswish", "max_pool2d_with_indices", "native_batch_norm", "relu"), 1)
    assert reading.details["unknown"] == {}
    assert reading.notes == ()


def test_work_without_a_formula_is_named(subject) -> None:
    class Transform(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return torch.fft.rfft2(x).abs() + torch.linalg.qr(x)[0].sum()

    reading = read(subject, Transform())
    assert reading.estimate.value == 0
    assert set(reading.details["unknown"]) == {"_fft_r2c", "linalg_qr"}
    assert reading.notes == ("MACs leave out the work of _fft_r2c, linalg_qr: no count is known for these operators",)


def test_a_network_that_fails_is_left_without_hooks(subject) -> None:
    model = nn.Sequential(nn.Linear(3, 3))
    with pytest.raises(RuntimeError):
        next(Macs().read(subject(model)))
    assert not model._forward_hooks
    assert not model[0]._forward_pre_hooks
