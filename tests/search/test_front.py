"""Fronts and the area that they cover, by hand."""

from __future__ import annotations

import math

import pytest
import torch

from workbench.search.front import front, hypervolume


def test_the_front_is_what_none_beats():
    points = [(3, 0.9), (1, 0.5), (2, 0.4), (2, 0.8), (3, 0.7), (4, 0.9)]
    assert front(points, lambda p: p) == ((1, 0.5), (2, 0.8), (3, 0.9))
    assert front([], lambda p: p) == ()


def test_of_equal_points_the_first_stays():
    assert front([(1, 0.5, "first"), (1, 0.5, "second")], lambda p: p[:2]) == ((1, 0.5, "first"),)


def value(points, cheapest, dearest):
    costs, accuracies = (torch.tensor(column, dtype=torch.float64) for column in zip(*points, strict=True))
    return float(hypervolume(costs, accuracies[None], cheapest, dearest))


def test_the_area_by_hand():
    # budgets from 1 to 1000, three decades: 0.5 over the first, 0.5 over the second, 0.8 over the third
    assert value([(1, 0.5), (100, 0.8)], 1, 1000) == pytest.approx((0.5 + 0.5 + 0.8) / 3)
    # nothing fits the first decade, and a point that is beaten adds nothing
    assert value([(10, 0.6), (20, 0.3), (100, 0.9)], 1, 1000) == pytest.approx((0 + 0.6 + 0.9) / 3)


def test_order_and_points_outside_the_budgets_do_not_matter():
    points = [(100, 0.8), (1, 0.5), (5000, 1.0)]
    assert value(points, 1, 1000) == pytest.approx((0.5 + 0.5 + 0.8) / 3)
    assert value([(0.1, 0.5)], 1, 1000) == pytest.approx(0.5)


def test_one_budget_takes_the_best_that_keeps_it():
    assert value([(7, 0.4), (7, 0.6), (8, 0.9)], 7, 7) == pytest.approx(0.6)
    assert value([(8, 0.9)], 7, 7) == 0.0


def test_each_draw_has_its_own_area_and_optuna_agrees():
    generator = torch.Generator().manual_seed(0)
    costs = torch.rand(12, generator=generator, dtype=torch.float64) * 99 + 1
    accuracies = torch.rand(3, 12, generator=generator, dtype=torch.float64)
    found = hypervolume(costs, accuracies, 1.0, 100.0)
    wfg = pytest.importorskip("optuna._hypervolume")
    for drawn, area in zip(accuracies, found, strict=True):
        losses = torch.stack([costs.log(), -drawn], 1).numpy()
        reference = torch.tensor([math.log(100.0), 0.0], dtype=torch.float64).numpy()
        assert float(area) == pytest.approx(wfg.compute_hypervolume(losses, reference) / math.log(100.0))
