"""Ranges of activations, against values by hand and against trying them all."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from workbench.activations import ActivationFormat
from workbench.techniques import _activation_ranges as ranges
from workbench.techniques._activation_ranges import Inputs


def seen(values: Tensor, rows: Tensor | None = None) -> Inputs:
    values = values.sort().values
    return Inputs(float(values[0]), float(values[-1]), values, rows)


def error(values: Tensor, low: float, high: float, bits: int) -> float:
    return float((ActivationFormat.spanning(low, high, bits).rounded(values) - values).square().sum())


def normal(count: int) -> Tensor:
    return torch.randn(count, generator=torch.Generator().manual_seed(0))


def test_a_percentile_by_hand() -> None:
    inputs = seen(torch.arange(1001).float())
    assert ranges.percentile(inputs, 0.99) == (10, 990)
    assert ranges.percentile(inputs, 0.999) == (1, 999)
    relu = seen(torch.arange(1001).float().sub(500).relu())
    assert ranges.percentile(relu, 0.99) == (0, 490)


@pytest.mark.parametrize("bits", [2, 3, 4, 8])
def test_mse_finds_what_trying_finds(bits: int) -> None:
    values = normal(1500).relu()
    best = min(error(values, 0, high, bits) for high in torch.linspace(0.02, 1, 400).mul(values.max()).tolist())
    assert error(values, *ranges.mse(seen(values), bits), bits) <= 1.02 * best


@pytest.mark.parametrize("bits", [2, 4, 8])
def test_mse_of_a_histogram_is_that_of_the_values(bits: int) -> None:
    values = normal(50_000) + 0.5  # more than there are bins, and not around zero
    low, high = ranges.mse(seen(values), bits)
    shares = torch.linspace(0.1, 1, 25).tolist()
    best = min(error(values, a * float(values.min()), b * float(values.max()), bits) for a in shares for b in shares)
    assert error(values, low, high, bits) <= 1.05 * best


def test_few_bits_clip_more() -> None:
    inputs = seen(normal(50_000).relu())
    for method in (ranges.mse, ranges.entropy):
        two, four, eight = (method(inputs, bits)[1] for bits in (2, 4, 8))
        assert two < min(four, eight)
        assert max(four, eight) <= inputs.high


def test_evenly_spread_values_are_not_clipped() -> None:
    inputs = seen(torch.linspace(0, 1, 50_000))
    for method in (ranges.mse, ranges.entropy):
        assert method(inputs, 4)[1] == pytest.approx(1, abs=0.05)


def test_one_outlier_does_not_set_the_range() -> None:
    inputs = seen(torch.cat([normal(50_000).relu(), torch.tensor([30.0])]))
    assert ranges.mse(inputs, 4)[1] < 6
    assert ranges.entropy(inputs, 4)[1] < 6
    assert ranges.percentile(inputs, 0.9999)[1] < 6


def test_output_looks_only_at_what_the_weights_read() -> None:
    rows = torch.stack([normal(500).abs(), 100 * normal(500).abs()], 1)[None]
    reads_first = torch.tensor([[[1.0, 0.0]]])
    _, high = ranges.output(seen(rows.flatten(), rows), reads_first, 4)
    assert high < 6
    _, high = ranges.output(seen(rows.flatten(), rows), reads_first.flip(2), 4)
    assert high > 100


def test_output_without_patches_is_mse() -> None:
    inputs = seen(normal(1000))
    assert ranges.output(inputs, torch.ones(1, 1, 1), 4) == ranges.mse(inputs, 4)
