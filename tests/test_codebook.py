"""Codebooks: cells worked by hand, k-means of scikit-learn, and what holds for any weight."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from torch import Tensor

from workbench import codebook

weights = arrays.arrays(
    np.float32,
    arrays.array_shapes(min_dims=2, max_dims=3, min_side=1, max_side=6),
    elements=st.floats(-(2.0**100), 2.0**100, width=32, allow_subnormal=True) | st.sampled_from([0.0, -0.0, 1.0, 1.5]),
).map(torch.from_numpy)


def test_the_even_start_is_kept_where_it_is_right() -> None:
    assert codebook.fitted(torch.tensor([[1.0, 2.0, 3.0, 1.0, 2.0, 3.0]]), 3).tolist() == [1, 2, 3]


def test_as_many_values_as_levels_are_the_levels() -> None:
    assert codebook.fitted(torch.tensor([[5.0, -1.0, 0.0, 5.0]]), 15).tolist() == [-1, 5]
    assert codebook.fitted(torch.tensor([[7.0, 7.0]]), 3).tolist() == [7]
    assert codebook.fitted(torch.zeros(2, 3), 3).tolist() == []


def test_zeros_do_not_count() -> None:
    weight = torch.randn(40, 40, generator=torch.Generator().manual_seed(0))
    sparse = torch.cat((weight, torch.zeros(400, 40)))
    assert torch.equal(codebook.fitted(weight, 7), codebook.fitted(sparse, 7))


def test_importance_moves_the_levels() -> None:
    # one level for 1 and 4: (3 * 1 + 1 * 4) / 4; what counts for nothing does not pull
    assert codebook.fitted(torch.tensor([[1.0, 4.0]]), 1, torch.tensor([[3.0, 1.0]]), spared=True).tolist() == [1.75]
    assert codebook.fitted(torch.tensor([[1.0, 4.0]]), 1, torch.tensor([[0.0, 1.0]]), spared=True).tolist() == [4]
    assert codebook.fitted(torch.tensor([[1.0, 2.0, 9.0]]), 1, torch.zeros(1, 3)).tolist() == []


def test_an_empty_cell_goes_to_halve_the_worst_one() -> None:
    # of the even start 1, 34, 67 and 100 two have no cell; 1 ... 8 is the worst one, and has the halves 1 2 | 7 8
    weight = torch.tensor([[1.0, 2.0, 7.0, 8.0, 99.9, 100.0]])
    assert codebook.fitted(weight, 3, spared=True).tolist() == pytest.approx([1.5, 7.5, 99.95])
    long_tails = torch.from_numpy(np.random.default_rng(0).standard_t(3, 5000))
    assert len(codebook.fitted(long_tails, 255)) == 255


@pytest.mark.parametrize("most", [3, 7, 15])
def test_it_is_the_kmeans_of_another_library(most: int) -> None:
    cluster = pytest.importorskip("sklearn.cluster")
    values = np.random.default_rng(1).uniform(-1, 2, 3000).astype(np.float32)  # no cell of an even start is empty
    start = np.linspace(values.min(), values.max(), most)[:, None]
    theirs = cluster.KMeans(most, init=start, n_init=1, max_iter=1000, tol=0).fit(values[:, None].astype(np.float64))
    ours = codebook.fitted(torch.from_numpy(values), most, spared=True)
    assert ours.tolist() == pytest.approx(sorted(theirs.cluster_centers_[:, 0]), rel=1e-5)


def test_one_step_takes_the_mean_of_each_cell() -> None:
    levels = torch.tensor([-1.0, 2.0, 9.0])
    weight = torch.tensor([[-1.5, -0.6, 0.2, 3.0, 2.0]])
    codes = codebook.encoded(weight, levels)
    assert codes.tolist() == [[1, 1, 0, 2, 2]]
    assert codebook.refitted(levels, weight).tolist() == [pytest.approx(-1.05), 2.5, 9]  # nothing is near 9


def test_a_level_that_becomes_zero_is_gone() -> None:
    assert codebook.refitted(torch.tensor([-0.5, 4.0]), torch.tensor([-1.0, 1.0, 3.0]), spared=True).tolist() == [3]


def test_spared_weights_never_become_zero() -> None:
    weight = torch.tensor([[0.0, 1e-30, -1e-30, 5.0, -5.0]])
    levels = codebook.fitted(weight, 2, spared=True)
    codes = codebook.encoded(weight, levels, spared=True)
    assert (codes == 0).tolist() == [[True, False, False, False, False]]
    assert codebook.encoded(weight, levels)[0, 1] == 0


@given(weights, st.integers(1, 16), st.booleans())
def test_what_holds_for_any_weight(weight: Tensor, most: int, spared: bool) -> None:
    levels = codebook.fitted(weight, most, spared=spared)
    assert len(levels) <= most
    assert levels.dtype == torch.float32
    assert bool((levels.diff() > 0).all())
    assert bool((levels != 0).all())
    codes = codebook.encoded(weight, levels, spared=spared)
    values = codebook.decoded(codes, levels)
    assert not values[weight == 0].any()
    assert torch.equal(codebook.encoded(values, levels, spared=spared), codes)
    nearest = (weight.double()[..., None] - torch.cat((levels.new_zeros(1), levels)).double()).abs()
    if spared and len(levels):
        nearest = nearest[..., 1:]
    away = (weight.double() - values.double()).abs()[weight != 0]
    best = nearest.amin(-1)[weight != 0]
    assert bool((away <= best + weight.abs().max().double() * 1e-7).all())


@given(weights, st.integers(1, 16))
def test_a_step_never_makes_it_worse(weight: Tensor, most: int) -> None:
    def error(levels: Tensor) -> float:
        values = codebook.decoded(codebook.encoded(weight, levels), levels)
        return float((weight.double() - values.double()).square().sum())

    start = torch.linspace(float(weight.min()), float(weight.max()), most).unique()
    start = start[start != 0]
    once = codebook.refitted(start, weight)
    assert error(once) <= error(start) * (1 + 1e-6)
