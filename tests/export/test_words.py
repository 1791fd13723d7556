from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from workbench.errors import Refused
from workbench.export._container import Body
from workbench.export._words import decode_words, encode_words


@given(
    st.sampled_from([1, 2, 4, 8]).flatmap(
        lambda size: st.tuples(st.just(size), st.lists(st.integers(0, 2 ** (8 * size) - 1), max_size=50))
    ),
    st.integers(1, 40),
)
def test_any_words_come_back(case: tuple[int, list[int]], times: int) -> None:
    size, values = case
    words = np.tile(np.array(values, dtype=f"<u{size}"), times)
    coded = encode_words(words)
    rest = Body(coded.table + coded.data)
    assert (decode_words(coded.spec, len(words), size, rest) == words).all()
    rest.finish()


def test_the_exponents_of_noise_are_compressed_and_every_bit_kept() -> None:
    values = np.random.default_rng(0).normal(size=5000).astype("<f4")
    values[:4] = [-0.0, np.inf, np.nan, 1e-42]
    words = values.view("<u4")
    coded = encode_words(words)
    assert coded.spec[0] == "split"
    assert len(coded.data) + len(coded.table) < 0.85 * words.nbytes  # 24 bits and an exponent of about 2.6
    assert (decode_words(coded.spec, len(words), 4, Body(coded.table + coded.data)) == words).all()


def test_words_are_little_endian() -> None:
    assert decode_words(["raw"], 2, 2, Body(bytes([1, 2, 3, 4]))).tolist() == [0x0201, 0x0403]


def test_top_bytes_come_first_and_words_are_turned_by_one_bit() -> None:
    # -1.5 is 0xBFC00000: turned left 0x7F800001, so the top byte is its exponent 127, the lower ones 01 00 80
    words = decode_words(["split", ["constant", 127]], 1, 4, Body(bytes([0x01, 0x00, 0x80])))
    assert words.astype("<u4").view("<f4").tolist() == [-1.5]


def test_numbers_of_a_fixed_point_by_hand() -> None:
    # -3, 0 and 5 quarters; the exponent is the greatest one possible
    words = np.array([-0.75, 0.0, 1.25], dtype="<f4").view("<u4")
    coded = encode_words(np.tile(words, 100))
    assert coded.spec[:2] == ["fixed", -2]
    assert decode_words(["fixed", -2, ["packed", -3, 1, 4]], 3, 4, Body(bytes([0x30, 0x08]))).tolist() == words.tolist()


@given(st.integers(-140, 110), st.lists(st.integers(-511, 511), min_size=1, max_size=40))
def test_numbers_of_a_fixed_point_come_back(exponent: int, codes: list[int]) -> None:
    numbers = np.ldexp(np.array(codes, dtype=np.float64), exponent).astype("<f4")
    words = np.where(numbers == 0, 0, numbers.view("<u4")).astype("<u4")
    coded = encode_words(words)
    assert (decode_words(coded.spec, len(words), 4, Body(coded.table + coded.data)) == words).all()


@pytest.mark.parametrize("odd", [-0.0, np.nan, np.inf, 1e30])
def test_what_is_no_number_of_the_fixed_point_is_kept(odd: float) -> None:
    words = np.array([0.5, 0.25, odd] * 20, dtype="<f4").view("<u4")
    coded = encode_words(words)
    assert coded.spec[0] != "fixed"
    assert (decode_words(coded.spec, len(words), 4, Body(coded.table + coded.data)) == words).all()


def test_bits_that_never_change_take_no_bytes() -> None:
    halves = np.random.default_rng(0).normal(size=2000).astype("<f2").astype("<f4").view("<u4")
    coded = encode_words(halves)
    assert coded.spec[0] == "planes"
    assert coded.cost < 2000 * 14 / 8 + 20
    assert (decode_words(coded.spec, 2000, 4, Body(coded.table + coded.data)) == halves).all()


@pytest.mark.parametrize(
    "spec",
    [
        *(None, ["constant", -1], ["constant", 2**32], ["constant", True], ["zstd", 4], ["split"], ["split", ["raw"]]),
        *(["planes", ["constant", 0]], ["planes", *[["raw"]] * 4], ["fixed", -150, ["constant", 1]], ["fixed", 0]),
        *(["fixed", 101, ["constant", 2]], ["fixed", True, ["constant", 2]], ["fixed", 0, ["raw"]]),
    ],
)
def test_a_spec_that_is_never_written_is_refused(spec: object) -> None:
    with pytest.raises(Refused, match="damaged"):
        decode_words(spec, 8, 4, Body(bytes(100)))
