"""Positions by density: a file made by hand with plain probabilities, and the entropy that it should come near."""

from __future__ import annotations

import constriction
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from workbench.errors import Refused
from workbench.export._container import Body
from workbench.export._densities import by_density, decode_densities


def read(coded, shape: tuple[int, int]) -> np.ndarray:
    rest = Body(coded.table + coded.data)
    filled = decode_densities(*coded.spec[1:], shape, rest)
    rest.finish()
    return filled


@given(st.integers(1, 40), st.integers(1, 40), st.floats(0, 1), st.integers(0, 2**32 - 1))
def test_any_matrix_comes_back(rows: int, columns: int, density: float, seed: int) -> None:
    filled = np.random.default_rng(seed).random((rows, columns)) < density
    assert (read(by_density(filled).write(), filled.shape) == filled).all()


def test_dense_rows_and_columns_cost_less_than_one_probability_for_all() -> None:
    rng = np.random.default_rng(0)
    chance = 2.0 ** -rng.integers(0, 6, (300, 1)) * 2.0 ** -rng.integers(0, 6, 400)
    filled = rng.random((300, 400)) < chance
    mean = filled.mean()
    one_for_all = -filled.size * (mean * np.log2(mean) + (1 - mean) * np.log2(1 - mean)) / 8
    known = np.where(chance < 1, chance, 0.5)
    floor = -np.where(filled, np.log2(known), np.log2(1 - known))[chance < 1].sum() / 8
    form = by_density(filled)
    coded = form.write()
    assert coded.spec[0] == "densities"
    assert floor < coded.cost < 0.75 * one_for_all
    # what lies above the entropy of the true chances: the levels of 700 rows and columns, and that they are rounded
    assert coded.cost < 1.02 * floor + 700 * 3 / 8
    assert form.expected == pytest.approx(coded.cost, rel=0.02)


def test_one_class_is_one_probability() -> None:
    filled = np.zeros((8, 8), dtype=bool)
    filled[np.arange(8), np.arange(8)] = True  # every row and every column holds one
    coded = by_density(filled).write()
    assert coded.spec[1:3] == [["constant", 0], ["constant", 0]]
    assert coded.table == bytes([128 + round(8 * np.log2(8 / 56))])
    assert len(coded.data) <= 8  # 64 elements of 0.54 bits are five bytes


def test_elements_are_coded_class_by_class() -> None:
    # levels 0 1 of the rows and 0 2 of the columns make the classes 0 2 | 1 3; 128 is an even chance
    even = constriction.stream.model.Categorical(np.array([0.5, 0.5]), perfect=False)
    coder = constriction.stream.stack.AnsCoder()
    coder.encode_reverse(np.array([1, 0, 1, 1], dtype=np.int32), even)
    data = coder.get_compressed().astype("<u4").tobytes()
    body = Body(bytes([0b10, 0b10]) + bytes([128] * 4) + data)
    found = decode_densities(["packed", 0, 1, 1], ["packed", 0, 2, 1], len(data), (2, 2), body)
    assert found.tolist() == [[True, True], [False, True]]


def test_what_is_left_of_the_entropy_coder_is_refused() -> None:
    coded = by_density(np.random.default_rng(0).random((30, 30)) < 0.3).write()
    with pytest.raises(Refused, match="longer than what it codes"):
        decode_densities(["constant", 0], ["constant", 0], coded.spec[3], (1, 4), Body(bytes([128]) + coded.data))
