"""What a layer reads, against torch's own convolutions."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from workbench.reconstruction import patches

LAYERS = {
    "plain": nn.Conv2d(3, 4, 3),
    "strided and padded": nn.Conv2d(3, 4, 3, stride=2, padding=1),
    "dilated": nn.Conv2d(3, 4, (3, 2), dilation=(2, 1), padding=(2, 0)),
    "grouped": nn.Conv2d(4, 6, 3, groups=2, padding="same"),
    "depthwise": nn.Conv2d(4, 4, 3, groups=4, stride=(1, 2)),
    "reflected": nn.Conv2d(3, 2, 3, padding=1, padding_mode="reflect"),
    "one dimension": nn.Conv1d(3, 4, 5, stride=2, padding=2),
    "three dimensions": nn.Conv3d(2, 3, 2),
    "linear": nn.Linear(5, 3),
    "linear on tokens": nn.Linear(5, 3),
}
SHAPES = {
    "one dimension": (2, 3, 11),
    "three dimensions": (2, 2, 4, 5, 3),
    "linear": (2, 5),
    "linear on tokens": (2, 7, 5),
}


@pytest.mark.parametrize("kind", LAYERS)
def test_rows_times_weights_are_the_outputs(kind: str) -> None:
    layer = LAYERS[kind]
    channels = layer.in_features if isinstance(layer, nn.Linear) else layer.in_channels
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(SHAPES.get(kind, (2, channels, 8, 9)), generator=generator)
    y = layer(x).detach()
    chosen = patches.positions(layer, y, 4, generator)
    rows = patches.inputs_at(layer, x, chosen)
    weight = patches.as_rows(layer, layer.weight.detach())
    bias = layer.bias.detach().view(patches.groups(layer), 1, -1)
    torch.testing.assert_close(rows @ weight.transpose(1, 2) + bias, patches.outputs_at(layer, y, chosen))


def test_positions_are_all_of_a_small_output_and_some_of_a_large_one() -> None:
    layer, generator = nn.Conv2d(1, 1, 1), torch.Generator().manual_seed(0)
    assert patches.positions(layer, torch.zeros(1, 1, 2, 3), 6, generator).tolist() == [0, 1, 2, 3, 4, 5]
    some = patches.positions(layer, torch.zeros(1, 1, 10, 10), 6, generator)
    assert len(some.unique()) == 6
    assert 0 <= some.min() <= some.max() < 100
    assert patches.positions(nn.Linear(2, 2), torch.zeros(3, 2), 6, generator).tolist() == [0]
