"""Size, parameters and non-zeros: exact numbers."""

from __future__ import annotations

import torch
from torch import nn

from workbench.export.packed import pack
from workbench.measure.nonzeros import NonZeros
from workbench.measure.parameters import Parameters
from workbench.measure.size import Size
from workbench.result import Estimate


def test_size_is_the_length_of_the_file_and_its_details_sum_to_it(subject) -> None:
    model = nn.Sequential(nn.Flatten(), nn.Linear(16, 10))
    about = {"classes": ["zero", "one"]}
    (reading,) = Size().read(subject(model, about=about))
    assert reading.estimate == Estimate.counted(len(pack(model, about).data), "bytes")
    assert sum(reading.details["ledger"].values()) == reading.estimate.value


def test_both_accounts_are_against_the_original_in_float32(subject) -> None:
    original = nn.Sequential(nn.Flatten(), nn.Linear(16, 8), nn.BatchNorm1d(8), nn.Linear(8, 10)).eval()
    smaller = nn.Sequential(nn.Flatten(), nn.Linear(16, 2), nn.BatchNorm1d(2), nn.Linear(2, 10)).eval()
    (reading,) = Size().read(subject(smaller, original=subject(original)))
    whole, parameters = reading.details["everything"], reading.details["parameters"]
    assert whole["bytes"] == reading.estimate.value
    assert whole["float32"] == 4 * (16 * 8 + 8 + 4 * 8 + 8 * 10 + 10)
    assert parameters["float32"] == 4 * (16 * 8 + 8 + 8 * 10 + 10)
    ledger = reading.details["ledger"]
    assert parameters["bytes"] == whole["bytes"] - ledger["header"] - ledger["norms"] - ledger["other"]
    assert whole["ratio"] == whole["float32"] / whole["bytes"] > 1
    (reading,) = Size().read(subject(original))
    assert reading.details["everything"]["float32"] == whole["float32"]


def test_a_tensor_that_is_shared_counts_once_in_float32(subject) -> None:
    tied = nn.Sequential(nn.Flatten(), nn.Linear(16, 16), nn.Linear(16, 16))
    tied[2].weight = tied[1].weight
    (reading,) = Size().read(subject(tied))
    assert reading.details["everything"]["float32"] == 4 * (16 * 16 + 2 * 16)


def test_the_file_is_written_once(subject) -> None:
    measured = subject(nn.Sequential(nn.Flatten(), nn.Linear(16, 10)))
    assert measured.packed is measured.packed


def test_parameters_of_a_shared_layer_count_once(subject) -> None:
    model = nn.Sequential(
        nn.Flatten(), nn.Linear(16, 16), nn.Linear(16, 16, bias=False), nn.BatchNorm1d(16), nn.Linear(16, 3)
    )
    model[2].weight = model[1].weight
    (reading,) = Parameters().read(subject(model))
    assert reading.estimate.value == (16 * 16 + 16) + (16 + 16) + (16 * 3 + 3)  # running statistics are not learnt
    assert reading.estimate.how == "counted"


def test_nonzeros_leave_out_zeros_of_either_sign(subject) -> None:
    model = nn.Sequential(nn.Flatten(), nn.Linear(16, 2))
    with torch.no_grad():
        model[1].weight.fill_(1.0)
        model[1].weight[0, :5] = torch.tensor([0.0, -0.0, torch.nan, 1e-45, 0.0])
        model[1].bias.zero_()
    (reading,) = NonZeros().read(subject(model))
    assert reading.estimate.value == 32 - 3
