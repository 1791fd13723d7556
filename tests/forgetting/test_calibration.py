"""Calibration errors by hand and against scikit-learn; intervals that hold; chance that is chance."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from sklearn.calibration import calibration_curve

from workbench.forgetting.calibration import BINS, Calibration, calibrations, interval_of_mean


def both(sure, right, generator):
    sure, right = torch.as_tensor(sure), torch.as_tensor(right)
    return calibrations((sure, sure), (right, right), generator)


def test_an_error_by_hand(generator):
    # 90 % sure of four images of which three are right: 0.15 apart; 55 % sure of one that is right: 0.45 apart
    found = both([0.9, 0.9, 0.9, 0.9, 0.55], [True, True, True, False, True], generator).after
    assert found.error.value == pytest.approx(0.8 * 0.15 + 0.2 * 0.45)
    assert found.confidence.value == pytest.approx(0.83)
    assert found.over.value == pytest.approx(0.83 - 0.8)
    assert [(each.low, each.high, each.images) for each in found.bins] == [(0.5, 0.6, 1), (0.8, 0.9, 4)]


def test_bins_are_those_of_scikit_learn(generator):
    draw = np.random.default_rng(1)
    sure = draw.uniform(0.1, 1, 2000)
    right = draw.uniform(size=2000) < sure**2
    found = both(sure, right, generator).after
    truth, mean = calibration_curve(right, sure, n_bins=BINS)
    assert [each.right.value for each in found.bins] == pytest.approx(truth.tolist())
    assert [each.confidence for each in found.bins] == pytest.approx(mean.tolist())
    weights = np.histogram(sure, np.linspace(0, 1, BINS + 1))[0]
    weights = weights[weights > 0] / 2000
    assert found.error.value == pytest.approx(float((weights * np.abs(truth - mean)).sum()))
    assert found.error.low < found.error.value < found.error.high
    assert found.error.value > found.chance
    assert found.over.low > 0


def samples(too_sure: float, generator: torch.Generator, n: int = 300, times: int = 60) -> list[Calibration]:
    """Return what is found of a network that is, however sure, by so much too sure: its true error."""
    draw, found = torch.Generator().manual_seed(5), []
    for _ in range(times):
        sure = torch.rand(n, generator=draw) * 0.8 + 0.2
        right = torch.rand(n, generator=draw) < sure - too_sure
        found.append(both(sure, right, generator).after)
    return found


def test_a_network_that_is_as_sure_as_it_should_be_stays_below_chance(generator):
    found = samples(0.0, generator)
    assert sum(each.error.value <= each.chance for each in found) >= 52  # 57 are expected
    assert all(each.chance < 0.13 for each in found)


@pytest.mark.parametrize("truth", [0.0, 0.02, 0.1])
def test_the_true_error_lies_in_its_interval(generator, truth):
    found = samples(truth, generator)
    assert sum(each.error.low <= truth <= each.error.high for each in found) >= 52  # at least 57 are expected
    assert all(each.error.low <= each.error.value <= each.error.high < truth + 0.25 for each in found)


def test_a_large_error_is_surely_more_than_none(generator):
    assert all(each.error.low > 0 for each in samples(0.2, generator, times=10))


def test_two_equal_networks_differ_by_exactly_nothing(generator):
    found = both([0.9, 0.7, 0.6], [True, True, False], generator)
    assert (found.over.value, found.over.low, found.over.high) == (0, 0, 0)
    assert found.before.error == found.after.error


def test_the_interval_of_a_mean_is_that_of_many_images(generator):
    values = torch.tensor([0.0, 1.0] * 200)
    found = interval_of_mean(values, generator)
    assert found.value == 0.5
    assert (found.high - found.low) / 2 == pytest.approx(1.96 * 0.5 / 20, rel=0.1)
    same = interval_of_mean(torch.full((5,), 0.25), generator)
    assert (same.low, same.high) == pytest.approx((0.25, 0.25))
