"""Powers of two: nearest ones worked by hand and by logarithms."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from workbench import powers

TINY = torch.finfo(torch.float32).tiny
LARGEST = torch.finfo(torch.float32).max


@pytest.mark.parametrize(
    ("value", "power"), [(1, 1), (1.49, 1), (1.5, 2), (3, 4), (2.99, 2), (0.76, 1), (TINY, TINY), (LARGEST, 2.0**127)]
)
def test_the_nearest_power(value: float, power: float) -> None:
    assert powers.nearest(torch.tensor([float(value)])).tolist() == [power]


@given(st.floats(TINY, 2.0**126, width=32))
def test_no_other_power_is_nearer(value: float) -> None:
    exponent = math.log2(powers.nearest(torch.tensor([value])).item())
    assert exponent == int(exponent)
    found = abs(value - 2.0**exponent)
    assert found <= min(abs(value - 2.0 ** (exponent - 1)), abs(value - 2.0 ** (exponent + 1)))


@given(
    st.lists(st.floats(-LARGEST, LARGEST, width=32, allow_subnormal=True), min_size=1, max_size=9),
    st.integers(-126, 127),
    st.sampled_from([1, 3, 7, 127]),
)
def test_codes_come_back_from_the_values_they_stand_for(values: list[float], exponent: int, highest: int) -> None:
    weight, scale = torch.tensor(values), torch.tensor([2.0**exponent])
    codes = powers.encoded(weight, scale, highest)
    once = powers.decoded(codes, scale, highest)
    assert torch.equal(powers.encoded(once, scale, highest), codes)
    assert bool((once.abs() <= scale).all())
    assert torch.equal(once.sign(), weight.sign() * (codes != 0))
    assert once[once == 0].signbit().sum() == 0, "a zero is never -0.0"


def test_half_way_to_zero_goes_up() -> None:
    # the smallest power is 2^(0 - 3 + 1) = 1/4
    assert powers.encoded(torch.tensor([0.125, 0.124, -0.125]), torch.tensor([1.0]), 3).tolist() == [1, 0, -1]


def test_powers_too_small_for_a_normal_number_are_zero() -> None:
    codes = powers.encoded(torch.tensor([1e-40, TINY, 1e-37]), torch.tensor([1e-36]), 127)
    assert codes.tolist()[0] == 0
    assert powers.decoded(codes, torch.tensor([1e-36]), 127)[1].item() == TINY
