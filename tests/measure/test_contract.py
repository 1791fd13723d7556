"""What every registered measure keeps to."""

from __future__ import annotations

import copy
import json

import pytest
import torch
from torch import nn

from workbench.measuring import Measure, Reading
from workbench.registry import measures


@pytest.fixture(params=measures.names())
def measure(request: pytest.FixtureRequest) -> Measure:
    return measures.get(request.param)


@pytest.fixture
def model() -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Dropout(), nn.Flatten(), nn.Linear(16, 10)
    ).eval()


def test_the_measures_of_the_first_screen_are_there() -> None:
    assert {"accuracy", "size_bytes", "parameters", "nonzeros", "macs"} <= set(measures.names())


def test_it_says_what_it_is(measure: Measure) -> None:
    assert measure.title[0].isupper()
    assert measure.summary.endswith(".")
    assert type(measure).__doc__
    assert measure.better in {"higher", "lower"}
    assert getattr(type(measure), "__final__", False)


def test_readings_tighten_and_hold_their_value(measure: Measure, subject, model: nn.Module) -> None:
    readings = list(measure.read(subject(model)))
    assert readings
    widths = []
    for reading in readings:
        estimate = reading.estimate
        assert estimate.low <= estimate.value <= estimate.high
        assert estimate.unit == measure.unit
        assert estimate.how in {"measured", "counted", "modelled"}
        if estimate.how == "counted":
            assert estimate.low == estimate.high
        widths.append(estimate.high - estimate.low)
    assert widths[-1] == min(widths)


def test_details_and_notes_are_plain(measure: Measure, subject, model: nn.Module) -> None:
    for reading in measure.read(subject(model)):
        assert json.loads(json.dumps(dict(reading.details))) == dict(reading.details)
        assert all(isinstance(note, str) for note in reading.notes)


def test_the_same_subject_reads_the_same(measure: Measure, subject, model: nn.Module) -> None:
    def once() -> list[Reading]:
        return list(measure.read(subject(model)))

    assert once() == once()


def test_the_network_is_left_as_it_was(measure: Measure, subject, model: nn.Module) -> None:
    before = copy.deepcopy(model)
    list(measure.read(subject(model)))
    for (name, old), (_, new) in zip(before.state_dict().items(), model.state_dict().items(), strict=True):
        assert torch.equal(old, new), name
    for old_module, new_module in zip(before.modules(), model.modules(), strict=True):
        assert old_module.training == new_module.training
        assert not new_module._forward_hooks
        assert not new_module._forward_pre_hooks
    assert all(parameter.grad is None and parameter.requires_grad for parameter in model.parameters())
