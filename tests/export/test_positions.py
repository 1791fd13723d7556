from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from workbench.errors import Refused
from workbench.export._codes import pack_bits
from workbench.export._container import Body
from workbench.export._positions import decode_positions, encode_positions


@given(st.integers(1, 3000), st.floats(0, 1), st.integers(0, 2**32 - 1))
def test_any_positions_come_back(size: int, density: float, seed: int) -> None:
    filled = np.random.default_rng(seed).random(size) < density
    filled[seed % size] = True
    coded = encode_positions(filled)
    rest = Body(coded.table + coded.data)
    assert decode_positions(coded.spec, size, rest).tolist() == np.flatnonzero(filled).tolist()
    rest.finish()


def test_gaps_above_the_limit_go_on() -> None:
    # limit 7 means seven zeros and on: 3 zeros, a value; 7 + 7 + 1 zeros, a value; 0 zeros, a value
    stream = np.array([3, 7, 7, 1, 0], dtype=np.int32)
    spec = ["gaps", 7, 5, ["packed", 0, 1, 3]]
    assert decode_positions(spec, 30, Body(pack_bits(stream, 3))).tolist() == [3, 19, 20]


def test_few_values_are_found_by_gaps_and_many_by_a_bitmap() -> None:
    few = np.zeros(10_000, dtype=bool)
    few[::500] = True
    assert encode_positions(few).spec[0] == "gaps"
    assert encode_positions(np.random.default_rng(0).random(10_000) < 0.5).spec[0] == "bitmap"


@pytest.mark.parametrize(
    "spec",
    [
        None,
        ["list", [1, 2]],
        ["gaps", 0, 1, ["constant", 0]],
        ["gaps", 256, 1, ["constant", 0]],
        ["gaps", 3, -1, ["constant", 0]],
        ["gaps", 3, 11, ["constant", 0]],  # more gaps than the tensor has elements
        ["gaps", 3, 10, ["constant", 2]],  # reaches behind the end
        ["gaps", 3, 2, ["constant", 4]],  # above the limit
        ["gaps", 3, 2, ["constant", -1]],
        ["gaps", True, 2, ["constant", 0]],
    ],
)
def test_a_spec_that_is_never_written_is_refused(spec: object) -> None:
    with pytest.raises(Refused, match="damaged"):
        decode_positions(spec, 10, Body(b""))
