"""Calibration: the solver on closed forms, and a short run from timing to file to forecast."""

from __future__ import annotations

import random
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from workbench.context import Progress
from workbench.devices import calibration, shelf
from workbench.devices._nonnegative import fitted, nonnegative
from workbench.devices._samples import example, samples, unseen
from workbench.devices.roofline import forecast
from workbench.errors import Cancelled
from workbench.graph import graph_of
from workbench.graph.workload import workload


def test_what_would_be_negative_is_zero() -> None:
    # without the bound the answer is (2, -1); on its edge it minimizes (x - 2)^2 + (x - 1)^2 over 2 rows of x
    matrix, target = np.array([[1.0, 0.0], [1.0, 1.0]]), np.array([2.0, 1.0])
    assert nonnegative(matrix, target) == pytest.approx([1.5, 0.0])


@given(st.integers(0, 2**32 - 1))
def test_it_is_the_optimum_by_its_conditions(seed: int) -> None:
    draw = np.random.default_rng(seed)
    matrix, target = draw.normal(size=(12, 5)), draw.normal(size=12)
    x = nonnegative(matrix, target)
    slope = matrix.T @ (target - matrix @ x)
    assert (x >= 0).all()
    assert (slope <= 1e-6).all()
    assert np.abs(slope * x).max() < 1e-6


def test_costs_are_found_again_though_some_times_were_disturbed() -> None:
    draw = np.random.default_rng(0)
    parts, costs = draw.uniform(1, 10, size=(60, 3)), np.array([2.0, 0.0, 0.5])
    times = parts @ costs
    times[::10] *= 5
    assert fitted(parts, times) == pytest.approx(costs, abs=0.05)


def test_networks_that_are_drawn_run() -> None:
    draw = random.Random(3)
    for model, shape in [*samples(40, draw), *unseen(3, draw)]:
        assert not model.training
        with torch.no_grad():
            assert torch.isfinite(model(example(shape))).all()


def test_a_calibration_becomes_a_device(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("WORKBENCH_HOME", str(tmp_path))
    told: list[float] = []
    found = calibration.calibrate(
        seconds=0.2, samples_count=30, unseen_count=3, report=lambda progress: told.append(progress.fraction)
    )
    assert told == sorted(told)
    assert shelf.device("this-machine") == found.profile
    assert len(found.ratios) == found.error.n == 3
    assert found.error.how == "measured"
    assert f"off by {100 * found.error.value:.1f} %" in found.profile.summary
    net = nn.Sequential(nn.Conv2d(3, 8, 3), nn.ReLU(), nn.Flatten(), nn.Linear(8 * 36, 10)).eval()
    latency = forecast(workload(net, graph_of(net, torch.ones(1, 3, 8, 8))), found.profile).latency_ms
    assert latency is not None
    assert 0 < latency.low <= latency.value <= latency.high
    assert latency.how == "modelled"


def test_cancelling_leaves_no_file_and_the_threads_as_they_were(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("WORKBENCH_HOME", str(tmp_path))
    threads = torch.get_num_threads()

    def cancel(progress: Progress) -> None:
        if progress.fraction > 0.2:
            raise Cancelled

    with pytest.raises(Cancelled):
        calibration.calibrate(seconds=0.2, samples_count=60, unseen_count=3, report=cancel)
    assert not calibration.kept().exists()
    assert torch.get_num_threads() == threads
