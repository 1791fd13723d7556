from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from workbench.errors import Refused
from workbench.export._codes import decode_codes, encode_codes, expected_length, pack_bits, packed_length, unpack_bits
from workbench.export._container import Body


def array(values: list[int]) -> np.ndarray:
    return np.array(values, dtype=np.int32)


def body(coded) -> Body:
    return Body(coded.table + coded.data)


def test_bits_are_packed_from_the_lowest_up() -> None:
    # 1, 2, 3, 4 of three bits: 100 011 010 001 read from the right is 0b100_011_010_001 = 0x8D1
    assert pack_bits(array([1, 2, 3, 4]), 3) == bytes([0xD1, 0x08])
    assert pack_bits(array([1, 0, 0, 0, 0, 0, 0, 1, 1]), 1) == bytes([0x81, 0x01])
    assert pack_bits(array([0xA, 0x5, 0xC]), 4) == bytes([0x5A, 0x0C])


@given(st.integers(1, 8).flatmap(lambda w: st.tuples(st.just(w), st.lists(st.integers(0, 2**w - 1), max_size=40))))
def test_packed_bits_come_back(case: tuple[int, list[int]]) -> None:
    width, symbols = case
    packed = pack_bits(array(symbols), width)
    assert len(packed) == packed_length(len(symbols), width) == (len(symbols) * width + 7) // 8
    assert unpack_bits(packed, len(symbols), width).tolist() == symbols


@given(
    st.integers(-300, 300),
    st.integers(1, 4),
    st.lists(st.integers(0, 255), max_size=300) | st.lists(st.sampled_from([0, 0, 0, 0, 1, 7]), max_size=3000),
)
def test_any_stream_comes_back(low: int, step: int, symbols: list[int]) -> None:
    values = low + step * array(symbols)
    coded = encode_codes(values)
    rest = body(coded)
    assert decode_codes(coded.spec, len(values), rest).tolist() == values.tolist()
    rest.finish()


def test_signs_take_one_bit_each() -> None:
    coded = encode_codes(array([-1, 1, 1, -1, 1, 1, -1, -1]))
    assert coded.spec == ["packed", -1, 2, 1]
    assert coded.data == bytes([0b00110110])


def test_equal_codes_take_no_bytes() -> None:
    assert encode_codes(array([5] * 1000)).spec == ["constant", 5]
    assert encode_codes(array([])).spec == ["constant", 0]


def test_uneven_codes_come_near_their_entropy() -> None:
    rng = np.random.default_rng(0)
    values = rng.choice(array([-2, -1, 0, 1, 2]), p=[0.02, 0.13, 0.7, 0.13, 0.02], size=20_000)
    counts = np.bincount(values + 2)
    entropy = -(counts * np.log2(counts / counts.sum())).sum() / 8
    coded = encode_codes(values)
    assert coded.spec[0] == "ans"
    assert entropy < len(coded.data) + len(coded.table) < 1.01 * entropy + 16


def test_repeated_rows_are_left_to_zstd() -> None:
    row = np.random.default_rng(0).integers(0, 16, 64).astype(np.int32)
    coded = encode_codes(np.tile(row, 50))
    assert coded.spec[0] == "zstd"
    assert len(coded.data) < 100


def test_a_stream_written_by_hand_is_read() -> None:
    # low -3, step 3, two bits each: symbols 2, 0, 1, 3 are the byte 0b11_01_00_10
    assert decode_codes(["packed", -3, 3, 2], 4, Body(bytes([0b11010010]))).tolist() == [3, -3, 0, 6]


@pytest.mark.parametrize(
    "spec",
    [
        None,
        [],
        ["huffman", 0, 1, 2],
        ["packed", 0, 1, 0],
        ["packed", 0, 1, 9],
        ["packed", 0, 0, 4],
        ["packed", 0, 2**40, 4],
        ["packed", 2**40, 1, 4],
        ["packed", 0, 1, True],
        ["packed", 0.0, 1, 4],
        ["constant", 2**40],
        ["zstd", 0, 1, 4, 3],
        ["zstd", 0, 1, 4, -1],
        ["ans", 0, 1, 1, 4, 4],
        ["ans", 0, 1, 5000, 4, 4],
        ["ans", 0, 1, 4, 5, 4],
        ["ans", 0, 1, 4, 4.0, 4],
        ["ans", 0, 1, 4, 4, 3],
        ["ans", 0, 1, 4, 4, 0],
        ["ans", 0, 1, 4, 4, 1000],
    ],
)
def test_a_spec_that_is_never_written_is_refused(spec: object) -> None:
    with pytest.raises(Refused, match="damaged"):
        decode_codes(spec, 8, Body(bytes(12)))


def test_the_expected_length_is_near_the_written_one() -> None:
    values = np.random.default_rng(0).binomial(20, 0.3, 5000).astype(np.int32)
    coded = encode_codes(values)
    assert expected_length(values) == pytest.approx(len(coded.data) + len(coded.table), rel=0.01)
    assert expected_length(array([])) == 0
    assert expected_length(array([7] * 9)) < 1


def test_entropy_coded_bytes_that_hold_more_than_said_are_refused() -> None:
    values = np.random.default_rng(0).choice(array([0, 0, 0, 0, 0, 0, 1, 2]), size=400)
    coded = encode_codes(values)
    assert coded.spec[0] == "ans"
    with pytest.raises(Refused, match="longer than what it codes"):
        decode_codes(coded.spec, 200, body(coded))
