"""The digits networks: sizes worked by hand."""

from __future__ import annotations

import torch

from workbench.models.digits import cnn, mlp, resnet


def count(network: torch.nn.Module) -> int:
    return sum(p.numel() for p in network.parameters())


def test_the_mlp_counts() -> None:
    assert count(mlp(10)) == (64 * 128 + 128) + (128 * 64 + 64) + (64 * 10 + 10)


def test_the_cnn_counts() -> None:
    convolutions = 9 * (1 * 24 + 24 * 48 + 48 * 64)
    assert count(cnn(10)) == convolutions + 2 * (24 + 48 + 64) + (64 * 2 * 2 * 10 + 10)


def test_the_resnet_counts() -> None:
    convolutions = 9 * (1 * 16 + 2 * 16 * 16 + 16 * 32 + 32 * 32 + 32 * 48 + 48 * 48)
    shortcuts = 16 * 32 + 32 * 48
    norms = 2 * (16 + 2 * 16 + 3 * 32 + 3 * 48)
    assert count(resnet(10)) == convolutions + shortcuts + norms + (48 * 10 + 10)


def test_the_blocks_of_the_resnet_are_residual() -> None:
    """With its last batch norm at zero, a block without a convolution in its shortcut is a rectifier."""
    block = resnet(10).block1.eval()
    torch.nn.init.zeros_(block.bn2.weight)
    x = torch.randn((1, 16, 8, 8), generator=torch.Generator().manual_seed(0))
    assert torch.equal(block(x), x.clamp(min=0))
