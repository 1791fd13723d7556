"""A trained ResNet-20: the file against the entropy of its codes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from workbench.export.packed import pack, unpack
from workbench.grid import Grid, GridSpec
from workbench.models._load import build
from workbench.network import hold_, layers, weight_format


def fresh(name: str) -> nn.Module:
    return build(name, 10)


@pytest.fixture
def trained(shared_data: Path) -> nn.Module:
    state = torch.load(shared_data / "resnet20-cifar10-jpeg.pt", weights_only=True)
    model = fresh("resnet20")
    model.load_state_dict(state.get("state_dict", state))
    return model.eval()


def entropy(codes: torch.Tensor) -> float:
    """Return the order-0 entropy of all codes, in bytes."""
    counts = np.unique(codes.numpy(), return_counts=True)[1]
    return float(-(counts * np.log2(counts / counts.sum())).sum() / 8)


@pytest.mark.parametrize("bits", [2, 3, 4, 8])
def test_the_file_is_no_longer_than_the_entropy_of_its_codes(trained: nn.Module, bits: int) -> None:
    floor = 0.0
    for layer in layers(trained).values():
        hold_(layer, grid=Grid.fit(layer.weight, GridSpec(bits=bits)))
        floor += entropy(weight_format(layer).grid.encode(layer.weight.detach()))
    packed = pack(trained)
    assert packed.ledger["weights"] + packed.ledger["indices"] + packed.ledger["tables"] < 1.012 * floor + 20 * 16
    assert packed.ledger["header"] < 1000
    images = torch.rand(4, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    assert torch.equal(unpack(packed.data, fresh)(images), trained(images))


def test_float32_without_any_loss_takes_at_most_27_bits_a_number(trained: nn.Module) -> None:
    numbers = sum(tensor.numel() for tensor in trained.state_dict().values() if tensor.is_floating_point())
    assert 8 * len(pack(trained).data) / numbers < 27
