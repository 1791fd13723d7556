"""Parts of the images: counts by hand, and how often a part is wrongly said to fall."""

from __future__ import annotations

import math
import statistics

import numpy as np
import pytest
import torch

from workbench.forgetting.parts import changed, parts, whole
from workbench.forgetting.traits import grouped, measured, thirds
from workbench.measure._intervals import paired, quantile, wilson

COLUMNS = {
    "names": ["cat", "dog", "owl"],
    "images": [100, 100, 50],
    "was": [90, 80, 45],
    "right": [60, 81, 45],
    "lost": [32, 3, 1],
    "gained": [2, 4, 1],
}


def test_parts_are_counted_and_sorted_by_loss():
    cat, owl, dog = parts(COLUMNS)
    assert [part.name for part in (cat, owl, dog)] == ["cat", "owl", "dog"]
    assert cat.before.value == 0.9
    assert (cat.before.low, cat.before.high) == wilson(90, 100)
    assert cat.change.value == pytest.approx(-0.3)
    assert cat.beyond.value == pytest.approx(-0.3 - (5 - 4) / 150)
    assert (owl.change.value, dog.change.value) == (0.0, pytest.approx(0.01))
    assert cat.falls(0.1)
    assert (cat.loses, cat.right) == (True, 60)
    assert not owl.falls()
    assert (owl.loses, dog.right) == (False, 81)


def test_intervals_of_all_parts_hold_together():
    z = statistics.NormalDist().inv_cdf(1 - 0.05 / 2 / 3)
    assert quantile(3) == z
    cat = parts(COLUMNS)[0]
    assert (cat.change.low, cat.change.high) == paired(0.02, 0.32, 100, z)
    rest = changed(4, 5, 150, z)
    assert cat.beyond.high == pytest.approx(
        cat.beyond.value + math.hypot(cat.change.high - cat.change.value, rest.value - rest.low)
    )
    assert parts(COLUMNS, looks=30)[0].change.low < cat.change.low


def test_the_whole_is_the_sum_of_its_parts():
    mean = whole(parts(COLUMNS))
    assert (mean.images, mean.lost, mean.gained) == (250, 36, 7)
    assert mean.before.value == 215 / 250
    assert mean.after.value == 186 / 250
    assert (mean.change.low, mean.change.high) == paired(7 / 250, 36 / 250, 250)


def test_a_single_part_has_no_others_to_be_compared_with():
    (only,) = parts({name: column[:1] for name, column in COLUMNS.items()})
    assert only.beyond is None
    assert not only.falls()


def test_where_all_lose_alike_a_part_is_rarely_said_to_fall_further():
    draw = np.random.default_rng(0)
    wrong = 0
    for _ in range(400):  # ten classes that all lose 6 % and gain 2 %
        lost, gained = draw.binomial(60, 0.06, 10), draw.binomial(60, 0.02, 10)
        columns = {"names": [*"abcdefghij"], "images": [60] * 10, "was": [50] * 10}
        columns |= {"right": (50 - lost + gained).tolist(), "lost": lost.tolist(), "gained": gained.tolist()}
        wrong += any(part.falls() for part in parts(columns))
    assert wrong / 400 <= 0.05


def test_groups_count_only_their_images():
    before = torch.tensor([True, True, False, True])
    after = torch.tensor([True, False, True, False])
    groups = {"dark": torch.tensor([True, True, False, False]), "none": torch.zeros(4, dtype=torch.bool)}
    found = grouped(groups, before, after, "brightness")
    assert found == {
        "names": ["dark"], "kind": ["brightness"], "images": [2], "was": [2], "right": [1], "lost": [1], "gained": [0]
    }  # fmt: skip


def test_traits_of_pictures_drawn_by_hand():
    pixels = torch.zeros(3, 1, 4, 4, dtype=torch.uint8)
    pixels[1, 0, 1:3, 1] = 255  # two pixels of ink
    pixels[2] = 255
    pixels[2, 0, 1:3, 1:3] = 0  # four, dark on bright
    found = measured(pixels)
    assert found["brightness"].tolist() == pytest.approx([0, 2 / 16, 12 / 16])
    assert found["contrast"].tolist() == pytest.approx([0, math.sqrt(2 / 16 * 14 / 16), math.sqrt(3 / 16)])
    assert found["ink"].tolist() == pytest.approx([0, 2 / 16, 4 / 16])
    assert "ink" not in measured(pixels.expand(3, 3, 4, 4))


def test_thirds_keep_equal_images_together():
    masks = thirds("brightness", torch.tensor([0.1, 0.1, 0.1, 0.5, 0.6, 0.9, 0.9]))
    assert [int(mask.sum()) for mask in masks.values()] == [3, 2, 2]
    assert torch.stack([*masks.values()]).sum(0).tolist() == [1] * 7
    assert thirds("ink", torch.ones(9)) == {}
    assert thirds("ink", torch.tensor([1.0])) == {}
