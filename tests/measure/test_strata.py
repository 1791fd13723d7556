"""Where images are spent, and what is thought of those that were not run."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from workbench.measure._flips import _DOUBT, Side
from workbench.measure._strata import Strata

N = 5000


@pytest.fixture(scope="module")
def strata() -> Strata:
    generator = torch.Generator().manual_seed(0)
    right = torch.rand(N, generator=generator) < 0.9
    return Strata(right, torch.rand(N, generator=generator), torch.randperm(N, generator=generator))


def sizes(strata: Strata) -> Tensor:
    return torch.tensor([float(len(images)) for images in strata.members])


def after(strata: Strata, rate: Tensor, seen: int) -> tuple[Tensor, Tensor]:
    """Return an allotment before anything was seen, and the flips in it at these rates."""
    nothing = torch.zeros(len(strata.members), dtype=torch.float64)
    taken = strata.allot(strata.guess(nothing, nothing), nothing, seen)
    return taken, (taken * rate).round()


BOUNDARY = torch.tensor([0.5, 0.3, 0.1, 0.02, 0.0, 0.0, 0.3, 0.2, 0.1])
"""Flips near the decision boundary, of images that the original has right (six strata) or wrong (three)."""


def test_each_image_is_in_one_stratum_and_margins_grow_from_one_to_the_next() -> None:
    right, margin = torch.arange(100) % 4 > 0, torch.arange(100) / 100
    strata = Strata(right, margin, torch.arange(100))
    assert sorted(torch.cat(strata.members).tolist()) == list(range(100))
    # 75 right: cuts at 8 (0.1), 26 (0.35) and 45 (0.6), as 4 (0.05) and 15 - 8 (0.2) are too few; 25 wrong: at 8, 15
    assert sizes(strata).tolist() == [8, 18, 19, 30, 8, 17]
    for near, far in zip(strata.members[:4], strata.members[1:4], strict=False):
        assert margin[near].max() < margin[far].min()
    assert all(right[images].all() for images in strata.members[:4])
    assert not any(right[images].any() for images in strata.members[4:])


def test_a_stratum_is_drawn_in_the_random_order(strata: Strata) -> None:
    order = torch.randperm(N, generator=torch.Generator().manual_seed(3))
    rank = torch.argsort(order)
    for images in Strata(torch.ones(N, dtype=torch.bool), torch.arange(N), order).members:
        assert torch.equal(images, images[torch.argsort(rank[images])])


def test_an_original_that_is_always_right_or_always_wrong_has_one_side() -> None:
    for right in (True, False):
        strata = Strata(torch.full((50,), right), torch.arange(50), torch.arange(50))
        assert sizes(strata).sum() == 50
        nothing = torch.zeros(len(strata.members), dtype=torch.float64)
        guesses = strata.guess(nothing, nothing)
        empty = guesses.gains if right else guesses.losses
        assert (empty.flips, empty.interval) == (0.0, (0.0, 0.0))
        assert strata.allot(guesses, nothing, 20).sum() == 20


@pytest.mark.parametrize("total", [128, 256, 1000, 4999, 5000])
def test_an_allotment_is_whole_and_takes_nothing_back(strata: Strata, total: int) -> None:
    seen, flipped = after(strata, BOUNDARY, 100)
    allotted = strata.allot(strata.guess(seen, flipped), seen, total)
    assert allotted.sum() == total
    assert torch.equal(allotted, allotted.round())
    assert (allotted >= seen).all()
    assert (allotted <= sizes(strata)).all()


def test_images_go_where_flips_happen_and_no_stratum_is_starved(strata: Strata) -> None:
    seen, flipped = after(strata, BOUNDARY, 256)
    shares = strata.allot(strata.guess(seen, flipped), seen, 512) / sizes(strata)
    assert shares[0] > 3 * shares[5]
    assert (shares > 0.35 * 512 / N).all()


def test_where_all_flip_alike_images_are_spread_evenly(strata: Strata) -> None:
    nothing = torch.zeros(len(strata.members), dtype=torch.float64)
    seen = strata.allot(strata.guess(nothing, nothing), nothing, 1024)
    guesses = strata.guess(seen, (seen * 0.5).round())
    shares = strata.allot(guesses, nothing, 1024) / sizes(strata) / (1024 / N)
    assert shares.tolist() == pytest.approx([1.0] * len(shares), abs=0.1)


def test_a_side_that_was_run_whole_leaves_nothing_to_guess() -> None:
    side = Side([0, 10, 30])
    guess = side.guess(torch.tensor([10.0, 20.0]), torch.tensor([4.0, 1.0]))
    assert (guess.flips, guess.interval) == (0.0, (0.0, 0.0))


def test_the_guess_tends_to_what_was_seen() -> None:
    side = Side([0, 20_000, 100_000])
    guess = side.guess(torch.tensor([10_000.0, 40_000.0]), torch.tensor([4_000.0, 400.0]))
    assert guess.rates.tolist() == pytest.approx([0.4, 0.01], rel=0.02)
    assert guess.flips == pytest.approx(10_000 * 0.4 + 40_000 * 0.01, rel=0.01)
    # binomial: variance 10,000 * 0.24 * 2 + 40,000 * 0.0099 * 2, as the rates are as uncertain as the outcome
    low, high = guess.interval
    assert high - low == pytest.approx(2 * 1.96 * (_DOUBT * (10_000 * 0.48 + 40_000 * 0.0198)) ** 0.5, rel=0.02)


def test_a_stratum_without_a_flip_is_not_thought_to_have_none() -> None:
    side = Side([0, 100, 1000])
    guess = side.guess(torch.tensor([50.0, 50.0]), torch.tensor([5.0, 0.0]))
    assert 0 < guess.rates[1] < guess.rates[0]
    assert guess.interval[1] > 50 * 0.1 + 3
