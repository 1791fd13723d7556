"""Biases and norms of few binary digits: worked by hand."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn

from workbench.export.packed import pack
from workbench.techniques.vector_bits import VectorBits, fixed_point, floating_point

values = st.lists(st.floats(-(2.0**60), 2.0**60, width=32), min_size=1, max_size=20).map(torch.tensor)


def test_a_fixed_point_by_hand() -> None:
    # the largest is 5 = 101, so that with three digits the step is 1, with two it is 2; 7.9 would be rounded up to 8
    assert fixed_point(torch.tensor([5.0, -2.4, 0.6, 0.4]), 3).tolist() == [5, -2, 1, 0]
    assert fixed_point(torch.tensor([5.0, -2.4, 1.1]), 2).tolist() == [4, -2, 2]
    assert fixed_point(torch.tensor([7.9, -7.9]), 3).tolist() == [7, -7]
    assert fixed_point(torch.zeros(2), 8).tolist() == [0, 0]
    assert fixed_point(torch.empty(0), 8).tolist() == []


def test_a_floating_point_by_hand() -> None:
    # 5.4 is 101.01..., and 0.09 is 1.44 sixteenths, between 1.25 and 1.5
    assert floating_point(torch.tensor([5.4, -0.09, 0.0]), 3).tolist() == [5, -1.5 / 16, 0]


@given(values, st.sampled_from([4, 8, 12]))
def test_how_far_rounding_goes(numbers: Tensor, digits: int) -> None:
    largest = float(numbers.abs().max())
    moved = (fixed_point(numbers, digits) - numbers).abs()
    assert float(moved.max()) <= largest * 2.0 ** (1 - digits)
    moved = (floating_point(numbers, digits) - numbers).abs()
    normal = numbers.abs() > 1e-30
    assert bool((moved[normal] <= numbers.abs()[normal] * 2.0**-digits).all())


@given(values)
def test_what_was_rounded_stays(numbers: Tensor) -> None:
    for rounded in (fixed_point, floating_point):
        once = rounded(numbers, 8)
        assert torch.equal(rounded(once, 8), once)


@pytest.mark.parametrize("bits", [8, 32])
def test_biases_and_norms_are_rounded_and_weights_are_not(ctx, bits: int) -> None:
    model = nn.Sequential(nn.Conv2d(1, 64, 3), nn.BatchNorm2d(64), nn.Flatten(), nn.Linear(64, 10)).eval()
    nn.init.uniform_(model[1].weight)
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    result = VectorBits(bits=bits).apply(model, ctx)
    after = result.state_dict()
    same = {name for name in before if torch.equal(before[name], after[name])}
    unmoved = {"0.weight", "3.weight", "1.running_mean", "1.running_var", "1.bias", "1.num_batches_tracked"}
    assert same == (unmoved if bits == 8 else set(before))
    assert all(torch.equal(tensor, before[name]) for name, tensor in model.state_dict().items())


def test_the_file_is_smaller_for_it(ctx) -> None:
    model = nn.Sequential(nn.Linear(2, 1000), nn.BatchNorm1d(1000)).eval()
    for tensor in (model[0].bias, model[1].weight, model[1].running_var):
        tensor.data.uniform_(0.1, 1.0, generator=torch.Generator().manual_seed(0))
    before, after = (pack(net).ledger for net in (model, VectorBits(bits=8).apply(model, ctx)))
    assert after["biases"] < 1.05 * 1000 < 0.4 * before["biases"]
    assert after["norms"] < 0.5 * before["norms"]
