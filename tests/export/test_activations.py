"""Activation formats in packed files: back to the bit, and nothing that no workbench writes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from workbench.activations import ActivationFormat, activation_formats, round_inputs_
from workbench.errors import Refused
from workbench.export import _activations
from workbench.export.packed import pack, unpack

FORMATS = st.builds(
    ActivationFormat.spanning,
    st.floats(-1e6, 0, width=32),
    st.floats(0, 1e6, width=32),
    st.sampled_from([*range(2, 9), 16]),
)


@given(FORMATS)
def test_a_format_comes_back_to_the_bit(form: ActivationFormat) -> None:
    model = nn.Sequential(nn.Linear(2, 2))
    round_inputs_(model[0], form)
    loaded = unpack(pack(model).data, lambda _: nn.Sequential(nn.Linear(2, 2)))
    assert activation_formats(loaded) == {"0": form}


@pytest.mark.parametrize(
    "item",
    [
        *(None, 8, {}, [], [8], [8, 0.5], [16, 0.5, 0], [8, 0.5, 0, 0]),
        *([1, 0.5, 0], [9, 0.5, 0], [8.0, 0.5, 0], [8, 1, 0], [8, 0.5, 256], [8, 0.5, -1], [2, 0.5, 4], [8, 0.5, 0.0]),
        *([8, 0.0, 0], [8, -0.5, 0], [8, 0.1, 0], [8, 1e-42, 0], [8, 1e300, 0], [8, float("inf"), 0]),
        [8, float("nan"), 0],
    ],
)
def test_other_grids_are_refused(item: Any) -> None:
    with pytest.raises(Refused, match="the activations of 0 have no known grid"):
        _activations.restore_(nn.Sequential(nn.Linear(2, 2)), {"0": item})


@pytest.mark.parametrize("name", ["", "1", "7", "0.weight"])
def test_only_layers_have_inputs_to_round(name: str) -> None:
    with pytest.raises(Refused, match="no layer of the network"):
        _activations.restore_(nn.Sequential(nn.Linear(2, 2), nn.ReLU()), {name: [16]})


def test_equal_networks_give_equal_bytes(plain: Callable[[], nn.Module]) -> None:
    first, second = plain(), plain()
    for model in (first, second):
        round_inputs_(model[3], ActivationFormat(bits=4, scale=0.25, zero=3))
    assert pack(first).data == pack(second).data
    round_inputs_(second[3], None)
    assert pack(second).data == pack(plain()).data
