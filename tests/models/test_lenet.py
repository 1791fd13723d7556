"""The LeNets: the sizes that the Deep Compression paper gives."""

from __future__ import annotations

import torch

from workbench.models.lenet import lenet5, lenet_300_100


def test_lenet_300_100_has_the_weights_of_the_paper() -> None:
    sizes = [p.numel() for p in lenet_300_100().parameters()]
    assert sizes == [784 * 300, 300, 300 * 100, 100, 100 * 10, 10]
    assert sum(sizes) == 266_610


def test_lenet5_has_the_weights_of_the_paper() -> None:
    sizes = [p.numel() for p in lenet5().parameters()]
    assert sizes == [25 * 20, 20, 20 * 25 * 50, 50, 50 * 4 * 4 * 500, 500, 500 * 10, 10]
    assert sum(sizes) == 431_080


def test_lenet5_shrinks_28_pixels_to_4() -> None:
    x = torch.zeros(1, 1, 28, 28)
    shapes = []
    for layer in lenet5():
        x = layer(x)
        shapes.append(tuple(x.shape[1:]))
    assert shapes[:5] == [(20, 24, 24), (20, 12, 12), (50, 8, 8), (50, 4, 4), (800,)]
