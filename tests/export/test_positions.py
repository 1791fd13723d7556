from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from workbench.errors import Refused
from workbench.export._coded import Coded
from workbench.export._codes import pack_bits
from workbench.export._container import Body
from workbench.export._positions import _bitmap, _gaps, decode_positions, encode_positions


def matrix(rows: int, columns: int, density: float, seed: int) -> np.ndarray:
    """A matrix whose rows and columns differ in density."""
    rng = np.random.default_rng(seed)
    chance = rng.random((rows, 1)) * rng.random(columns) * 4 * density
    filled = rng.random((rows, columns)) < chance
    filled[seed % rows, seed % columns] = True
    return filled


matrices = st.builds(matrix, st.integers(1, 60), st.integers(1, 90), st.floats(0, 1), st.integers(0, 2**32 - 1))


def read(coded: Coded, shape: tuple[int, int]) -> np.ndarray:
    rest = Body(coded.table + coded.data)
    filled = np.zeros(shape, dtype=bool)
    filled.reshape(-1)[decode_positions(coded.spec, shape, rest)] = True
    rest.finish()
    return filled


@given(matrices)
def test_any_positions_come_back(filled: np.ndarray) -> None:
    assert (read(encode_positions(filled), filled.shape) == filled).all()


@given(matrices)
def test_they_come_back_from_every_form(filled: np.ndarray) -> None:
    kinds = []
    for form in (_bitmap(filled), *_gaps(filled)):
        coded = form.write()
        kinds.append(coded.spec[0])
        assert (read(coded, filled.shape) == filled).all()
    assert kinds == ["bitmap", "gaps", "csr"]


@pytest.mark.parametrize("shape", [(3, 0), (0, 3), (1, 1), (1, 2000), (2000, 1)])
def test_odd_shapes_come_back(shape: tuple[int, int]) -> None:
    filled = np.ones(shape, dtype=bool)
    for form in (_bitmap(filled), *_gaps(filled)):
        assert (read(form.write(), shape) == filled).all()
    assert (read(encode_positions(filled), shape) == filled).all()


def test_gaps_above_the_limit_go_on() -> None:
    # limit 7 means seven zeros and on: 3 zeros, a value; 7 + 7 + 1 zeros, a value; 0 zeros, a value
    stream = np.array([3, 7, 7, 1, 0], dtype=np.int32)
    spec = ["gaps", 7, 5, ["packed", 0, 1, 3]]
    assert decode_positions(spec, (3, 10), Body(pack_bits(stream, 3))).tolist() == [3, 19, 20]


def test_compressed_rows_by_hand() -> None:
    # two values in the first row, none in the second, one in the third, whose gap counts from its start
    body = Body(pack_bits(np.array([2, 0, 1]), 2) + pack_bits(np.array([1, 3, 2, 0]), 2))
    spec = ["csr", 3, 4, ["packed", 0, 1, 2], ["packed", 0, 1, 2]]
    assert decode_positions(spec, (3, 8), body).tolist() == [1, 7, 16]


def test_a_bitmap_by_hand() -> None:
    # groups of four, the first element lowest: 1 0 0 1 | 0 1
    spec = ["bitmap", 4, ["packed", 0, 1, 4]]
    assert decode_positions(spec, (2, 3), Body(bytes([0b0010_1001]))).tolist() == [0, 3, 5]
    assert decode_positions(["bitmap", ["packed", 0, 1, 1]], (2, 3), Body(bytes([0b101001]))).tolist() == [0, 3, 5]


def test_every_form_is_the_shortest_somewhere() -> None:
    rng = np.random.default_rng(0)
    pattern = np.tile([True, True, False, False], 2500).reshape(100, 100)
    pattern.reshape(-1, 4)[:] = rng.permuted(pattern.reshape(-1, 4), axis=1)  # two of each four
    assert encode_positions(pattern).spec[0] == "bitmap"
    regular = np.zeros((25, 401), dtype=bool)
    regular.reshape(-1)[::200] = True
    assert encode_positions(regular).spec[0] == "gaps"
    leading = np.arange(200) < rng.integers(0, 180, 300)[:, None]
    assert encode_positions(leading).spec[0] == "csr"
    assert encode_positions(matrix(200, 300, 0.1, 1)).spec[0] == "densities"


def test_a_pattern_of_two_in_four_takes_no_more_than_its_choices() -> None:
    pattern = np.tile([True, True, False, False], 10_000).reshape(-1, 4)
    pattern = np.random.default_rng(0).permuted(pattern, axis=1).reshape(100, 400)
    assert encode_positions(pattern).cost < 1.01 * 10_000 * np.log2(6) / 8 + 20


@pytest.mark.parametrize(
    "spec",
    [
        None,
        ["list", [1, 2]],
        ["bitmap", 3, ["constant", 1]],
        ["bitmap", 4, ["constant", 16]],
        ["bitmap", 4, ["constant", -1]],
        ["bitmap", 4, ["constant", 8]],  # the last group has two elements
        ["gaps", 0, 1, ["constant", 0]],
        ["gaps", 256, 1, ["constant", 0]],
        ["gaps", 3, -1, ["constant", 0]],
        ["gaps", 3, 11, ["constant", 0]],  # more gaps than the tensor has elements
        ["gaps", 3, 10, ["constant", 2]],  # reaches behind the end
        ["gaps", 3, 2, ["constant", 4]],  # above the limit
        ["gaps", 3, 2, ["constant", -1]],
        ["gaps", True, 2, ["constant", 0]],
        ["csr", 3, 2, ["constant", 6], ["constant", 0]],  # more values than a row has columns
        ["csr", 3, 2, ["constant", -1], ["constant", 0]],
        ["csr", 3, 3, ["constant", 1], ["constant", 0]],  # two rows of one value are two
        ["csr", 3, 1, ["constant", 1], ["constant", 0]],
        ["csr", 7, 2, ["constant", 1], ["constant", 5]],  # reaches behind the end of its row
        ["csr", 3, 11, ["constant", 5], ["constant", 0]],
        ["densities", ["constant", 65], ["constant", 0], 0],
        ["densities", ["constant", 0], ["constant", -65], 0],
        ["densities", ["constant", 0], ["constant", 0], 8],
        ["densities", ["constant", 0], ["constant", 0], -1],
        ["densities", ["constant", 0], ["constant", 0], True],
        ["densities", ["constant", 0], 0],
    ],
)
def test_a_spec_that_is_never_written_is_refused(spec: object) -> None:
    with pytest.raises(Refused, match="damaged"):
        decode_positions(spec, (2, 5), Body(b""))
