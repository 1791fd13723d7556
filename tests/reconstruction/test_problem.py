"""The least-squares problem of a layer, and its solution on a support, against numpy."""

from __future__ import annotations

import dataclasses
import itertools

import numpy as np
import pytest
import torch
from torch import Tensor

from workbench.reconstruction.problem import Moments, Problem
from workbench.reconstruction.supports import in_rounds, lowest, refit
from workbench.registry import scores


def sample(seed: int, n: int = 200, d: int = 6, o: int = 2) -> tuple[Tensor, Tensor, Tensor]:
    """Return correlated inputs [1, n, d], a weight [1, o, d] and noisy outputs [1, n, o] with means."""
    generator = torch.Generator().manual_seed(seed)
    mix = torch.randn(d, d, generator=generator) + 3 * torch.eye(d)
    x = torch.randn(1, n, d, generator=generator) @ mix + 1
    weight = torch.randn(1, o, d, generator=generator)
    noise = 0.1 * torch.randn(1, n, o, generator=generator)
    return x, weight, x @ weight.transpose(1, 2) + noise + torch.tensor([3.0, -2.0])[:o]


def problem_of(seed: int, damping: float = 1e-7, centred: bool = True, d: int = 6) -> tuple[Problem, Tensor, Tensor]:
    x, weight, y = sample(seed, d=d)
    moments = Moments(centred=centred)
    for part in range(0, 200, 50):  # streamed
        moments.add(x[:, part : part + 50], y[:, part : part + 50])
    return moments.problem(weight, damping), x[0], y[0]


def test_the_free_solution_and_its_bias_are_those_of_numpy() -> None:
    problem, x, y = problem_of(0)
    ones = np.concatenate([x.double().numpy(), np.ones((200, 1))], 1)
    wanted = np.linalg.lstsq(ones, y.double().numpy(), rcond=None)[0].T
    np.testing.assert_allclose(problem.best[0].numpy(), wanted[:, :6], atol=2e-3)
    np.testing.assert_allclose(problem.bias(problem.best)[0].numpy(), wanted[:, 6], atol=5e-3)


def test_without_a_bias_nothing_is_centred() -> None:
    problem, x, y = problem_of(1, centred=False)
    wanted = np.linalg.lstsq(x.double().numpy(), y.double().numpy(), rcond=None)[0].T
    np.testing.assert_allclose(problem.best[0].numpy(), wanted, atol=5e-3)


def test_the_loss_is_the_mean_squared_error_beyond_the_best() -> None:
    problem, x, y = problem_of(2)
    weight = problem.best + 0.3 * torch.randn(1, 2, 6, generator=torch.Generator().manual_seed(5))

    def error(w: Tensor) -> Tensor:
        return (x @ w[0].T + problem.bias(w)[0] - y).square().mean(0)

    torch.testing.assert_close(problem.loss(weight)[0], error(weight) - error(problem.best), rtol=1e-3, atol=1e-4)


def test_damping_pulls_what_is_not_read_to_the_reference() -> None:
    moments = Moments(centred=True)
    x, weight, y = sample(3)
    x[..., 2] = 7.0  # constant: centred, it is a dead input
    moments.add(x, y)
    problem = moments.problem(weight)
    torch.testing.assert_close(problem.best[0, :, 2], weight[0, :, 2], rtol=1e-3, atol=1e-3)
    nothing = Moments(centred=True)
    nothing.add(torch.zeros(1, 50, 6), torch.zeros(1, 50, 2))
    torch.testing.assert_close(nothing.problem(weight).best, weight)


@pytest.mark.parametrize("seed", range(5))
def test_a_refit_is_least_squares_on_the_support(seed: int) -> None:
    problem, x, y = problem_of(seed)
    keep = torch.rand(1, 2, 6, generator=torch.Generator().manual_seed(seed)) < 0.6
    keep[0, 0, 0] = keep[0, 1, 5] = True
    found = refit(problem, keep, torch.zeros(1, 2, 6), 30)
    assert not found[~keep].any()
    centred_x, centred_y = (x - x.mean(0)).double().numpy(), (y - y.mean(0)).double().numpy()
    for row in range(2):
        support = keep[0, row].numpy()
        wanted = np.linalg.lstsq(centred_x[:, support], centred_y[:, row], rcond=None)[0]
        np.testing.assert_allclose(found[0, row].numpy()[support], wanted, atol=5e-3)


@pytest.mark.parametrize("seed", range(5))
def test_inputs_that_never_change_leave_a_refit_finite(seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    constant = 30 * torch.rand(1, 1, 40, generator=generator).expand(1, 5000, 40)
    moments = Moments(centred=True)
    for part in constant.split(500, 1):
        moments.add(part, torch.randn(1, part.shape[1], 3, generator=generator))
    reference = torch.randn(1, 3, 40, generator=generator)
    problem = moments.problem(reference)
    weight, keep = in_rounds(problem, reference, torch.ones_like(reference, dtype=torch.bool), 60)
    assert torch.isfinite(weight).all()
    assert int((~keep).sum()) == 60


def test_a_refit_of_nothing_is_nothing() -> None:
    problem, _, _ = problem_of(0)
    assert not refit(problem, torch.zeros(1, 2, 6, dtype=torch.bool), problem.best).any()


@pytest.mark.parametrize("seed", range(10))
def test_the_obs_score_is_what_leaving_costs(seed: int) -> None:
    """Removing weight j and refitting the others raises the loss of its row by w_j^2 / [H^-1]_jj, up to a unit."""
    problem, _, _ = problem_of(seed)
    score = scores.get("obs").of(problem.best, problem, torch.Generator())[0]
    costs = torch.zeros(2, 6)
    for row, j in itertools.product(range(2), range(6)):
        keep = torch.ones(1, 2, 6, dtype=torch.bool)
        keep[0, row, j] = False
        costs[row, j] = problem.loss(refit(problem, keep, problem.best, 30))[0, row]
    torch.testing.assert_close(score, costs / costs.mean(), rtol=2e-2, atol=1e-3)


def test_rounds_come_near_to_the_best_of_all_supports() -> None:
    """On a 2 x 6 layer all supports can be tried: rounds stay near the best, and beat one mask of the smallest."""
    found = once = best = 0.0
    for seed in range(20):
        problem, _, _ = problem_of(seed)
        weight, keep = in_rounds(problem, problem.best, torch.ones(1, 2, 6, dtype=torch.bool), 6)
        assert int((~keep).sum()) == 6
        assert not weight[~keep].any()
        found += float(problem.loss(weight).sum())
        small = lowest(problem.best.abs(), 6)
        once += float(problem.loss(refit(problem, small, problem.best, 30)).sum())
        losses = []
        for gone in itertools.combinations(range(12), 6):
            mask = torch.ones(12, dtype=torch.bool)
            mask[list(gone)] = False
            losses.append(mask)
        masks = torch.stack(losses).view(-1, 1, 2, 6)
        many = dataclasses.replace(problem, right=problem.right.repeat(1, len(masks), 1))
        keeps = masks.view(1, -1, 6)
        fits = refit(many, keeps, many.best, 30)
        best += float(many.loss(fits).view(-1, 2).sum(1).min())
    assert best <= found <= once
    assert found < 3 * best


def test_what_had_gone_stays_gone() -> None:
    problem, _, _ = problem_of(4)
    held = torch.ones(1, 2, 6, dtype=torch.bool)
    held[0, :, 1] = False
    _, keep = in_rounds(problem, problem.best * held, held, 4)
    assert not keep[0, :, 1].any()
    assert int((~keep).sum()) == 6
