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


@pytest.mark.parametrize(
    "spec",
    [None, ["constant", -1], ["constant", 2**32], ["constant", True], ["zstd", 4], ["split"], ["split", ["raw"]]],
)
def test_a_spec_that_is_never_written_is_refused(spec: object) -> None:
    with pytest.raises(Refused, match="damaged"):
        decode_words(spec, 8, 4, Body(bytes(100)))
