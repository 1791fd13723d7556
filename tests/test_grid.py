"""Grids: codes worked by hand, and what holds for any weight."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from torch import Tensor

from workbench.errors import Refused
from workbench.grid import Grid, GridSpec

TINY = float(np.finfo(np.float32).tiny)

uniform = st.builds(
    GridSpec, bits=st.sampled_from([1, 2, 3, 4, 5, 6, 7, 8]), per_channel=st.booleans(), symmetric=st.booleans()
)
specs = uniform.flatmap(
    lambda spec: st.sampled_from(["uniform", "codebook", "powers"]).map(lambda kind: replace(spec, kind=kind))
)
magnitudes = st.floats(-(2.0**100), 2.0**100, width=32, allow_subnormal=True) | st.floats(
    -1, 1, width=32, allow_subnormal=True
)
weights = arrays.arrays(
    np.float32, arrays.array_shapes(min_dims=2, max_dims=4, min_side=1, max_side=5), elements=magnitudes
).map(torch.from_numpy)


def codes(weight: Tensor, **spec: object) -> tuple[list, Grid]:
    grid = Grid.fit(weight, GridSpec(**spec))  # type: ignore[arg-type]
    return grid.encode(weight).tolist(), grid


@pytest.mark.parametrize(
    ("bits", "symmetric", "lowest", "highest"),
    [
        (8, True, -127, 127),
        (8, False, 0, 255),
        (4, True, -7, 7),
        (4, False, 0, 15),
        (2, True, -1, 1),
        (2, False, 0, 3),
        (1, True, -1, 1),
        (1, False, -1, 1),
    ],
)
def test_the_range_of_codes(bits: int, symmetric: bool, lowest: int, highest: int) -> None:
    spec = GridSpec(bits=bits, symmetric=symmetric)
    assert (spec.lowest, spec.highest) == (lowest, highest)


@pytest.mark.parametrize(("bits", "highest", "largest"), [(8, 255, 127), (4, 15, 7), (2, 3, 1), (1, 2, 1)])
def test_the_range_of_codes_of_the_other_kinds(bits: int, highest: int, largest: int) -> None:
    codebook, powers = GridSpec(bits=bits, kind="codebook"), GridSpec(bits=bits, kind="powers", symmetric=False)
    assert (codebook.lowest, codebook.highest) == (0, highest)
    assert (powers.lowest, powers.highest) == (-largest, largest)


def test_how_many_scales() -> None:
    assert [GridSpec(bits=4, kind=kind).scales(7) for kind in ("uniform", "powers", "codebook")] == [7, 7, 0]
    assert [GridSpec(bits=4, kind=kind, per_channel=False).scales(7) for kind in ("uniform", "powers")] == [1, 1]
    assert [GridSpec(bits=16, kind=kind).scales(7) for kind in ("uniform", "powers", "codebook")] == [0, 0, 0]


def test_a_codebook_by_hand() -> None:
    # three levels from -4 to 8 start at -4, 2 and 8 around the fixed zero; the cells -4 -3 | 0.5 | 1.5 2 | 8 are final
    weight = torch.tensor([[-4.0, -3.0, 0.0, 0.5], [1.5, 2.0, 8.0, 0.0]])
    found, grid = codes(weight, bits=2, kind="codebook")
    assert grid.levels.tolist() == [-3.5, 1.75, 8]
    assert found == [[1, 1, 0, 0], [2, 2, 3, 0]]
    assert grid.decode(grid.encode(weight)).tolist() == [[-3.5, -3.5, 0, 0], [1.75, 1.75, 8, 0]]
    assert grid.scale.numel() == grid.zero.numel() == 0


def test_powers_by_hand() -> None:
    # 3 bits: 1, 1/2 and 1/4 of the scale; the nearest power of 3 is 4, that of 2.9 is 2; below an eighth it is zero
    weight = torch.tensor([[3.0, 2.9, -1.2, 0.5, 0.49, 0.0], [0.3, -0.3, 0.03, 0.032, 0.17, 0.2]])
    found, grid = codes(weight, bits=3, kind="powers")
    assert grid.scale.tolist() == [4, 0.25]
    assert found == [[3, 2, -1, 1, 0, 0], [3, -3, 0, 1, 2, 3]]
    assert grid.decode(grid.encode(weight)).tolist() == [
        [4, 2, -1, 1, 0, 0],
        [0.25, -0.25, 0, 0.0625, 0.125, 0.25],
    ]


@pytest.mark.parametrize("kind", ["codebook", "powers"])
@pytest.mark.parametrize("odd", [float("nan"), float("inf"), -float("inf")])
def test_weights_that_are_not_finite_are_refused(kind: str, odd: float) -> None:
    with pytest.raises(Refused, match="NaN or infinite cannot be quantized"):
        Grid.fit(torch.tensor([[1.0, odd]]), GridSpec(bits=4, kind=kind))


@given(weights, specs)
def test_refitting_keeps_what_the_grid_is(weight: Tensor, spec: GridSpec) -> None:
    grid = Grid.fit(weight, spec).refitted(weight * 1.5)
    assert grid.spec == spec
    once = grid.decode(grid.encode(weight))
    assert torch.equal(grid.encode(once), grid.encode(weight))
    if spec.kind != "codebook":
        assert torch.equal(grid.scale, Grid.fit(weight * 1.5, spec).scale)


@given(weights, specs)
def test_a_grid_moves_between_devices_whole(weight: Tensor, spec: GridSpec) -> None:
    grid = Grid.fit(weight, spec)
    moved = grid.to("cpu")
    assert torch.equal(moved.decode(grid.encode(weight)), grid.decode(grid.encode(weight)))


def test_eight_bits_symmetric_by_hand() -> None:
    # the scales are 127/127 = 1 and 2.54/127 = 0.02
    weight = torch.tensor([[127.0, -126.6, 0.4], [-2.54, 0.03, 1.27]])
    found, grid = codes(weight, bits=8)
    assert found == [[127, -127, 0], [-127, 2, 64]]  # 1.5 is rounded to the even 2, 63.5 to 64
    assert grid.scale.tolist() == pytest.approx([1, 0.02])
    assert grid.zero.tolist() == [0, 0]
    assert grid.decode(grid.encode(weight)).flatten().tolist() == pytest.approx([127, -127, 0, -2.54, 0.04, 1.28])


def test_one_scale_for_the_layer() -> None:
    weight = torch.tensor([[127.0, -126.6, 0.4], [-2.54, 0.03, 1.27]])
    found, grid = codes(weight, bits=8, per_channel=False)
    assert found == [[127, -127, 0], [-3, 0, 1]]
    assert grid.scale.tolist() == [1]


def test_two_bits_symmetric_are_ternary() -> None:
    weight = torch.tensor([[4.0, -2.1, 1.9, -0.3, -4.0]])
    found, grid = codes(weight, bits=2)
    assert found == [[1, -1, 0, 0, -1]]
    assert grid.decode(grid.encode(weight)).tolist() == [[4, -4, 0, 0, -4]]


def test_asymmetric_by_hand() -> None:
    # 4 bits from -1 to 14: the scale is 1, the zero point 1
    weight = torch.tensor([[-1.0, 0.0, 0.4, 7.6, 14.0]])
    found, grid = codes(weight, bits=4, symmetric=False)
    assert found == [[0, 1, 1, 9, 15]]
    assert (grid.scale.tolist(), grid.zero.tolist()) == ([1], [1])
    assert grid.decode(grid.encode(weight)).tolist() == [[-1, 0, 0, 8, 14]]


def test_asymmetric_always_reaches_zero() -> None:
    # all weights above zero: the grid still starts at zero
    found, grid = codes(torch.tensor([[5.0, 10.0, 15.0], [-5.0, -10.0, -15.0]]), bits=4, symmetric=False)
    assert found == [[5, 10, 15], [10, 5, 0]]
    assert grid.zero.tolist() == [0, 15]


def test_one_bit_is_the_sign_times_the_mean_magnitude() -> None:
    weight = torch.tensor([[1.0, -3.0], [0.0, -5.0]])
    found, grid = codes(weight, bits=1)
    assert found == [[1, -1], [0, -1]]
    assert grid.scale.tolist() == [2, 5]  # the zero does not count
    assert grid.decode(grid.encode(weight)).tolist() == [[2, -2], [0, -5]]
    assert codes(weight, bits=1, per_channel=False)[1].scale.tolist() == [3]


@given(arrays.arrays(np.float32, (2, 3), elements=st.floats(-65504, 65504, width=32)))
def test_sixteen_bits_are_halves(array: np.ndarray) -> None:
    weight = torch.from_numpy(array)
    grid = Grid.fit(weight, GridSpec(bits=16))
    assert grid.scale.numel() == grid.zero.numel() == 0
    np.testing.assert_array_equal(grid.decode(grid.encode(weight)).numpy(), array.astype(np.float16).astype(np.float32))
    np.testing.assert_array_equal(grid.encode(weight).numpy(), array.astype(np.float16).view(np.int16))


def test_halves_stay_finite() -> None:
    weight = torch.tensor([[1e30, -1e30, 65519.0, 65530.0, 1e-30]])
    grid = Grid.fit(weight, GridSpec(bits=16))
    assert grid.decode(grid.encode(weight)).tolist() == [[65504, -65504, 65504, 65504, 0]]


@given(weights, specs)
def test_codes_are_whole_and_within_their_range(weight: Tensor, spec: GridSpec) -> None:
    found = Grid.fit(weight, spec).encode(weight)
    assert found.dtype == torch.int16
    assert found.shape == weight.shape
    assert int(found.min()) >= spec.lowest
    assert int(found.max()) <= spec.highest


@given(weights, specs)
def test_a_weight_on_the_grid_stays_where_it_is(weight: Tensor, spec: GridSpec) -> None:
    grid = Grid.fit(weight, spec)
    once = grid.decode(grid.encode(weight))
    assert torch.isfinite(once).all()
    assert torch.equal(grid.decode(grid.encode(once)), once)
    assert torch.equal(grid.encode(once), grid.encode(weight))


@given(weights, uniform)
def test_rounding_moves_a_weight_by_half_a_step_at_most(weight: Tensor, spec: GridSpec) -> None:
    if spec.bits == 1:
        return
    grid = Grid.fit(weight, spec)
    wide = grid.scale.double().view(-1, *[1] * (weight.ndim - 1))
    steps = ((grid.decode(grid.encode(weight)).double() - weight.double()) / wide).abs()
    assert float(steps.max()) <= 0.5 + 1e-4


@given(weights, specs)
def test_zero_is_on_every_grid(weight: Tensor, spec: GridSpec) -> None:
    grid = Grid.fit(weight, spec)
    assert not grid.decode(grid.encode(torch.zeros_like(weight))).any()


@given(weights, uniform)
def test_scales_and_zero_points_are_usable(weight: Tensor, spec: GridSpec) -> None:
    grid = Grid.fit(weight, spec)
    assert len(grid.scale) == len(grid.zero) == (len(weight) if spec.per_channel else 1)
    assert grid.scale.dtype == grid.zero.dtype == torch.float32
    assert torch.isfinite(grid.scale).all()
    assert float(grid.scale.min()) >= TINY
    assert torch.equal(grid.zero, grid.zero.round())
    if spec.symmetric or spec.bits == 1:
        assert not grid.zero.any()


@given(weights, specs)
def test_each_channel_is_a_grid_of_its_own(weight: Tensor, spec: GridSpec) -> None:
    if spec.per_channel and spec.kind != "codebook":
        whole = Grid.fit(weight, spec)
        for index, row in enumerate(weight.unsqueeze(1)):
            alone = Grid.fit(row, spec)
            assert torch.equal(alone.encode(row)[0], whole.encode(weight)[index])
            assert alone.scale[0] == whole.scale[index]


@pytest.mark.parametrize("symmetric", [True, False])
@pytest.mark.parametrize("bits", [1, 2, 4, 8])
def test_odd_channels(bits: int, symmetric: bool) -> None:
    weight = torch.tensor([[0.0, 0.0, 0.0], [3.0, 3.0, 3.0], [-3.0, -3.0, -3.0], [1e-40, -1e-40, 0.0]])
    grid = Grid.fit(weight, GridSpec(bits=bits, symmetric=symmetric))
    found = grid.decode(grid.encode(weight))
    assert grid.scale[0] == 1
    assert not found[0].any()
    torch.testing.assert_close(found[1:3], weight[1:3])
    if bits > 1:
        assert not found[3].any(), "weights too small for a scale become zero"


def test_weights_beyond_the_grid_get_its_ends() -> None:
    for symmetric, ends in ((True, [7, -7]), (False, [15, 0])):
        grid = Grid.fit(torch.tensor([[1.0, -1.0]]), GridSpec(bits=4, symmetric=symmetric))
        assert grid.encode(torch.tensor([[9.0, -9.0]])).tolist() == [ends]
        assert grid.encode(torch.tensor([[1e30, -1e30]])).tolist() == [ends]


def test_rows_of_a_grid() -> None:
    weight = torch.tensor([[1.0, 0.5], [2.0, -2.0], [4.0, 3.0]])
    keep = torch.tensor([2, 0])
    grid = Grid.fit(weight, GridSpec(bits=4, symmetric=False))
    part = grid.rows(keep)
    assert torch.equal(part.decode(grid.encode(weight)[keep]), grid.decode(grid.encode(weight))[keep])
    whole = Grid.fit(weight, GridSpec(bits=4, per_channel=False))
    assert whole.rows(keep) is whole
    half = Grid.fit(weight, GridSpec(bits=16))
    assert half.rows(keep) is half
    shared = Grid.fit(weight, GridSpec(bits=4, kind="codebook"))
    assert shared.rows(keep) is shared
    powers = Grid.fit(weight, GridSpec(bits=4, kind="powers"))
    assert powers.rows(keep).scale.tolist() == [4, 1]


def test_fitting_does_not_touch_the_weight() -> None:
    weight = torch.nn.Parameter(torch.tensor([[1.0, -0.3]]))
    grid = Grid.fit(weight, GridSpec(bits=3))
    grid.encode(weight)
    assert weight.tolist() == [[1.0, pytest.approx(-0.3)]]
    assert not grid.scale.requires_grad
