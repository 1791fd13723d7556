"""Stratified splits and digests."""

from __future__ import annotations

import hashlib

import torch
from hypothesis import given
from hypothesis import strategies as st

from workbench.data._splits import content_digest, stratified


@given(labels=st.lists(st.integers(0, 3), min_size=1, max_size=60), seed=st.integers(0, 9), data=st.data())
def test_as_many_of_each_class_are_taken_as_asked(labels: list[int], seed: int, data: st.DataObject) -> None:
    counts = [labels.count(label) for label in range(4)]
    take = [data.draw(st.integers(0, count)) for count in counts]
    rest, taken = stratified(torch.tensor(labels), torch.tensor(take), seed)
    assert sorted(rest.tolist() + taken.tolist()) == list(range(len(labels)))
    assert [sum(labels[i] == label for i in taken.tolist()) for label in range(4)] == take
    assert rest.tolist() == sorted(rest.tolist())


def test_the_seed_decides_which() -> None:
    labels = torch.arange(100) % 2
    first, again, other = (stratified(labels, torch.tensor([25, 25]), seed)[1].tolist() for seed in (0, 0, 1))
    assert first == again != other


def test_a_digest_is_the_hash_of_types_shapes_and_values() -> None:
    expected = hashlib.sha256(b"torch.uint8(2,)" + bytes([1, 2]) + b"torch.uint8(1, 1)" + bytes([3])).hexdigest()
    one, two = torch.tensor([1, 2], dtype=torch.uint8), torch.tensor([[3]], dtype=torch.uint8)
    assert content_digest(one, two) == expected
    assert content_digest(two, one) != expected
    assert content_digest(torch.stack([one, one]).T[:, 0], two) == expected  # however it lies in memory
