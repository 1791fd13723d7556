from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from workbench.errors import Refused
from workbench.export.packed import describe, pack, unpack


def test_a_padded_resnet_with_pruned_inner_channels_comes_back(padded, compressed, images: Tensor) -> None:
    pruned = compressed(padded(3, 11), bits=4, prune=0.3)
    assert not torch.equal(pruned(images), padded()(images))
    loaded = unpack(pack(pruned).data, lambda _: padded())
    assert torch.equal(loaded(images), pruned(images))
    conv = loaded.blocks[0].conv1
    assert (conv.in_channels, conv.out_channels, loaded.blocks[0].bn1.num_features) == (4, 3, 3)
    assert sum(p.numel() for p in loaded.parameters()) == sum(p.numel() for p in pruned.parameters())
    loaded.train()(images)  # the sizes that batch norms state of themselves are right too


def test_depthwise_and_grouped_convolutions_linear_and_norms_are_cut() -> None:
    def build(width: int, groups: int, hidden: int) -> nn.Module:
        return nn.Sequential(
            nn.Conv2d(1, width, 1),
            nn.Conv2d(width, 2 * width, 3, groups=width, bias=False),
            nn.GroupNorm(2, 2 * width),
            nn.PReLU(2 * width),
            nn.Conv2d(2 * width, 8, 1, groups=groups),
            nn.Flatten(),
            nn.Linear(8 * 36, hidden),
            nn.LayerNorm(hidden),
            nn.Linear(hidden, 3),
        ).eval()

    pruned = build(5, 2, 7)
    loaded = unpack(pack(pruned).data, lambda _: build(8, 2, 16))
    x = torch.rand(2, 1, 8, 8)
    assert torch.equal(loaded(x), pruned(x))
    depthwise = loaded[1]
    assert (depthwise.groups, depthwise.in_channels, depthwise.out_channels) == (5, 5, 10)
    assert (loaded[6].out_features, loaded[7].normalized_shape, loaded[8].in_features) == (7, (7,), 7)


def test_a_depthwise_convolution_of_one_channel_left_has_one_group() -> None:
    pruned = nn.Conv2d(1, 1, 3, groups=1)
    loaded = unpack(pack(pruned).data, lambda _: nn.Conv2d(4, 4, 3, groups=4))
    assert loaded.groups == 1
    x = torch.rand(1, 1, 4, 4)
    assert torch.equal(loaded(x), pruned(x))


@pytest.mark.parametrize(
    ("stored", "built"),
    [
        (nn.Linear(4, 4), nn.Linear(3, 4)),  # larger than the network
        (nn.Linear(4, 4), nn.Linear(4, 3)),
        (nn.Conv2d(2, 2, 3), nn.Conv2d(2, 2, 5)),  # another kernel
        (nn.Conv2d(2, 2, 3), nn.Conv1d(2, 2, 3)),
        (nn.Conv2d(3, 3, 1, groups=3), nn.Conv2d(4, 4, 3, groups=4)),
        (nn.GroupNorm(1, 3), nn.GroupNorm(2, 4)),  # three channels in two groups
        (nn.ConvTranspose2d(2, 2, 3), nn.ConvTranspose2d(4, 2, 3)),  # a kind that pruning does not touch
        (nn.BatchNorm2d(5), nn.BatchNorm2d(4)),
    ],
)
def test_a_shape_that_cannot_be_made_is_refused(stored: nn.Module, built: nn.Module) -> None:
    with pytest.raises(Refused, match="does not fit"):
        unpack(pack(stored).data, lambda _: built)


def test_missing_and_unknown_tensors_are_named() -> None:
    with pytest.raises(Refused, match="the file lacks bias"):
        unpack(pack(nn.Linear(2, 2, bias=False)).data, lambda _: nn.Linear(2, 2))
    with pytest.raises(Refused, match="the network has no bias"):
        unpack(pack(nn.Linear(2, 2)).data, lambda _: nn.Linear(2, 2, bias=False))


def test_groups_that_shapes_do_not_tell_are_kept() -> None:
    model = nn.Conv2d(8, 8, 1, groups=4)
    assert describe(pack(model).data)["groups"] == {"": 4}
    loaded = unpack(
        pack(model).data, lambda _: nn.Conv2d(8, 8, 1, groups=2)
    )  # weights [8, 4, 1, 1], cut to [8, 2, 1, 1]
    assert loaded.groups == 4
