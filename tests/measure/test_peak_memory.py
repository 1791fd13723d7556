from __future__ import annotations

import json

import torch
from torch import nn

from workbench.graph import graph_of
from workbench.graph.workload import workload
from workbench.loads import Workload
from workbench.measure.macs import Macs
from workbench.measure.peak_memory import PeakMemory
from workbench.network import hold_


def test_it_names_the_layer_that_needs_the_most(subject) -> None:
    net = nn.Sequential(nn.Conv2d(1, 2, 3, padding=1), nn.ReLU(), nn.Conv2d(2, 5, 3, padding=1), nn.Flatten())
    (reading,) = PeakMemory().read(subject(net))
    assert reading.estimate.value == 4 * 16 * (2 + 5)  # floats of 4 x 4 positions
    assert reading.details["peak"] == {"number": 2, "layer": "2", "op": "convolution"}
    assert reading.details["live_bytes"] == [4 * 16 * count for count in (3, 2, 7, 5)]


def test_zeros_do_not_change_it(subject) -> None:
    net = nn.Sequential(nn.Flatten(), nn.Linear(16, 10))
    (dense,) = PeakMemory().read(subject(net))
    hold_(net[1], mask=torch.zeros(10, 16, dtype=torch.bool))
    (sparse,) = PeakMemory().read(subject(net))
    assert (sparse.estimate, sparse.details["live_bytes"]) == (dense.estimate, dense.details["live_bytes"])


def test_a_row_says_what_its_operators_ask_for(subject) -> None:
    net = nn.Sequential(nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Flatten(), nn.Linear(16, 10)).eval()
    (reading,) = PeakMemory().read(subject(net))
    written = json.loads(json.dumps(reading.details["workload"]))
    assert Workload.from_dict(written) == workload(net, graph_of(net, torch.ones(1, 1, 4, 4)))


def test_measures_of_one_subject_share_one_trace(subject) -> None:
    measured = subject(nn.Sequential(nn.Flatten(), nn.Linear(16, 10)))
    next(Macs().read(measured))
    traced = measured.shared.peek("graph")
    next(PeakMemory().read(measured))
    assert traced is not None
    assert measured.shared.peek("graph") is traced
