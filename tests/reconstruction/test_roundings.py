"""Rounding methods against plain recursions, exact enumeration, and what every one of them promises."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch
from torch import Tensor

from workbench.grid import Grid, GridSpec
from workbench.reconstruction.problem import Moments, Problem
from workbench.reconstruction.rounding import Rows, coordinate_pass, snapped
from workbench.registry import roundings

METHODS = roundings.names()


def problem_of(seed: int, outputs: int = 2, inputs: int = 6) -> Problem:
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(1, 300, inputs, generator=generator) @ torch.randn(inputs, inputs, generator=generator)
    weight = torch.randn(1, outputs, inputs, generator=generator)
    moments = Moments(centred=False)
    moments.add(x, x @ weight.transpose(1, 2))
    return moments.problem(weight)


def rows_of(problem: Problem, bits: int = 2, **changes: object) -> Rows:
    keep = torch.ones_like(problem.best, dtype=torch.bool)
    return Rows(problem.best, keep, GridSpec(bits=bits, symmetric=False, **changes), problem)


def test_gptq_is_the_published_recursion() -> None:
    """Algorithm 1 of Frantar et al. 2022 in numpy, one column after the other."""
    problem = problem_of(0, outputs=3, inputs=8)
    rows = rows_of(problem, bits=3)
    found, grid = roundings.get("gptq").round(rows)
    weight = problem.best[0].double().numpy().copy()
    upper = np.linalg.cholesky(np.linalg.inv(problem.hessian[0].double().numpy())).T
    scale, zero = (x.double().numpy() for x in (grid.scale, grid.zero))
    for j in range(8):
        code = np.clip(np.round(weight[:, j] / scale) + zero, 0, 7)
        rounded = (code - zero) * scale
        error = (weight[:, j] - rounded) / upper[j, j]
        weight[:, j + 1 :] -= error[:, None] * upper[j, j + 1 :][None]
        weight[:, j] = rounded
    np.testing.assert_allclose(found[0].numpy(), weight, atol=1e-5)


def test_a_coordinate_pass_never_raises_the_loss_and_ends_where_no_single_change_helps() -> None:
    problem = problem_of(1)
    grid = Grid.fit(problem.best[0], GridSpec(bits=2, symmetric=False))
    values = [[(code - grid.zero[row]) * grid.scale[row] for code in range(4)] for row in range(2)]

    def nearest(free: Tensor) -> Tensor:
        points = torch.tensor(values)
        return points.gather(1, (free[0][:, None] - points).abs().argmin(1, keepdim=True)).T

    weight = snapped(rows_of(problem), grid)
    keep = torch.ones_like(weight, dtype=torch.bool)
    losses = [float(problem.loss(weight).sum())]
    for _ in range(10):
        weight = coordinate_pass(problem, weight, keep, nearest)
        losses.append(float(problem.loss(weight).sum()))
    assert all(b <= a + 1e-5 for a, b in itertools.pairwise(losses))
    for row, j in itertools.product(range(2), range(6)):
        for value in values[row]:
            other = weight.clone()
            other[0, row, j] = value
            assert problem.loss(other)[0, row] >= problem.loss(weight)[0, row] - 1e-5


def test_descent_comes_near_to_the_best_of_all_codes() -> None:
    """On a 2 x 6 layer all 4^6 codes of a row can be tried on the grid that descent ends with."""
    found = best = nearest = 0.0
    codes = torch.tensor(list(itertools.product(range(4), repeat=6)), dtype=torch.float32)
    for seed in range(20):
        problem = problem_of(seed)
        rows = rows_of(problem)
        weight, grid = roundings.get("descent").round(rows)
        found += float(problem.loss(weight).sum())
        nearest += float(problem.loss(roundings.get("nearest").round(rows)[0]).sum())
        for row in range(2):
            every = (codes - grid.zero[row]) * grid.scale[row]
            away = every - problem.best[0, row]
            best += float(((away @ problem.hessian[0]) * away).sum(1).min())
    assert best <= found < 1.35 * best
    assert found < 0.4 * nearest


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("bits", [1, 2, 3, 8])
@pytest.mark.parametrize("per_channel", [True, False])
@pytest.mark.parametrize("symmetric", [True, False])
def test_weights_are_on_the_grid_bit_for_bit(method: str, bits: int, per_channel: bool, symmetric: bool) -> None:
    problem = problem_of(3, outputs=4, inputs=9)
    kind = roundings.get(method).kind
    keep = torch.rand(problem.best.shape, generator=torch.Generator().manual_seed(1)) < 0.7
    spec = GridSpec(bits=bits, per_channel=per_channel, symmetric=symmetric, kind=kind)
    weight, grid = roundings.get(method).round(Rows(problem.best * keep, keep, spec, problem))
    assert grid.spec == spec
    flat = weight.flatten(0, 1) + 0.0
    again = grid.decode(grid.encode(flat)) * keep.flatten(0, 1) + 0.0
    assert torch.equal(again, flat)
    assert not weight[~keep].any()


@pytest.mark.parametrize("method", METHODS)
def test_degenerate_layers(method: str) -> None:
    spec = GridSpec(bits=4, symmetric=False, kind=roundings.get(method).kind)
    dead = Moments(centred=True)
    dead.add(torch.zeros(1, 20, 5), torch.zeros(1, 20, 3))
    for weight in (torch.zeros(1, 3, 5), torch.full((1, 3, 5), 0.25)):
        keep = torch.ones_like(weight, dtype=torch.bool)
        found, _ = roundings.get(method).round(Rows(weight, keep, spec, dead.problem(weight)))
        assert torch.isfinite(found).all()
        torch.testing.assert_close(found, weight, atol=0.02, rtol=0)
        nothing, _ = roundings.get(method).round(Rows(weight * 0, ~keep, spec, dead.problem(weight)))
        assert not nothing.any()


@pytest.mark.parametrize("method", METHODS)
def test_facts_are_there(method: str) -> None:
    found = roundings.get(method)
    assert "http" in found.paper
    assert found.title
    assert found.__doc__
