"""Grids of recipes: read from text, checked by the technique's own specs, every combination once."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workbench.errors import Refused
from workbench.recipe import Recipe
from workbench.registry import techniques
from workbench.variation import Axis, combinations, evenly

magnitude, bits = techniques.get("magnitude"), techniques.get("weight_bits")


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("magnitude.ratio=0:0.9:0.3", (0.0, 0.3, 0.6, 0.9)),
        ("magnitude.ratio=0.5:0.95:0.2", (0.5, 0.7, 0.9)),
        ("magnitude.ratio=0.5", (0.5,)),
        ("magnitude.ratio=0.5:0.5:0.1", (0.5,)),
        ("magnitude.ratio=0.5, 0.7,0.5", (0.5, 0.7)),
        ("weight_bits.bits=2:4:1", (2, 3, 4)),
        ("weight_bits.bits=8,2", (8, 2)),
        ("magnitude.method=once,mask", ("once", "mask")),
        ("weight_bits.per_channel=true,false", (True, False)),
        ("magnitude.layers=conv1:0.5+fc:0.25", ((("conv1", 0.5), ("fc", 0.25)),)),
    ],
)
def test_values_are_read(text: str, values: tuple[object, ...]) -> None:
    found = Axis.parse(text).values
    assert found == values
    assert [type(value) for value in found] == [type(value) for value in values]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("magnitude.ratio", "is written like magnitude.ratio=0:0.9:0.1"),
        ("ratio=0.5", "is written like"),
        ("magnitud.ratio=0.5", "did you mean 'magnitude'"),
        ("magnitude.rate=0.5", "has the settings ratio, method"),
        ("magnitude.ratio=0.5,2", r"in \[0, 0.99\], got 2.0"),
        ("magnitude.ratio=half", "magnitude.ratio: expected a number"),
        ("magnitude.ratio=", "at least one value"),
        ("magnitude.ratio=nan", "must be a number"),
        ("magnitude.ratio=0:0.9:0", "in steps above 0"),
        ("magnitude.ratio=0:0.9:-0.1", "in steps above 0"),
        ("magnitude.ratio=0.9:0:0.1", "upwards"),
        ("magnitude.ratio=0:inf:0.1", "upwards"),
        ("magnitude.ratio=0:nan:0.1", "upwards"),
        ("magnitude.ratio=0:0.9:1e-9", "up to 10,000 values"),
        ("weight_bits.bits=2:9:1", "must be one of"),
        ("weight_bits.bits=2.5", "must be one of"),
        ("distill.teacher=user:net.py:build", "must not be a user: model"),
    ],
)
def test_what_cannot_be_read_is_refused_in_a_sentence(text: str, words: str) -> None:
    with pytest.raises(Refused, match=words):
        Axis.parse(text)


def test_values_go_into_the_step_that_is_there_or_a_new_one_in_its_place() -> None:
    base = Recipe((bits(bits=4, per_channel=False),))
    found = combinations(base, [Axis("weight_bits", "bits", (2, 8)), Axis("magnitude", "ratio", (0.5, 0.7))])
    assert found == tuple(
        Recipe((magnitude(ratio=ratio), bits(bits=b, per_channel=False))) for b in (2, 8) for ratio in (0.5, 0.7)
    )


def test_two_settings_of_one_technique() -> None:
    axes = [Axis("magnitude", "method", ("once", "mask")), Axis("magnitude", "ratio", (0.5,))]
    assert combinations(Recipe(), axes) == (
        Recipe((magnitude(ratio=0.5, method="once"),)),
        Recipe((magnitude(ratio=0.5, method="mask"),)),
    )


def test_nothing_that_varies_is_the_base_alone() -> None:
    assert combinations(Recipe((bits(),)), []) == (Recipe((bits(),)),)


def test_too_much_and_twice_are_refused() -> None:
    axis = Axis.parse("magnitude.ratio=0:0.99:0.01")
    many = [axis, Axis.parse("distill.alpha=0:1:0.05"), Axis.parse("distill.temperature=1:20:0.5")]
    with pytest.raises(Refused, match=r"up to 10,000 recipes, this one has 81,900"):
        combinations(Recipe(), many)
    with pytest.raises(Refused, match=r"magnitude.ratio varies twice"):
        combinations(Recipe(), [axis, axis])


RATIOS = st.lists(st.integers(0, 99).map(lambda n: n / 100), min_size=1, max_size=6)
BITS = st.lists(st.sampled_from([2, 3, 4, 8]), min_size=1, max_size=5)


@given(RATIOS, BITS)
def test_every_combination_is_there_once_and_survives_json(ratios: list[float], widths: list[int]) -> None:
    found = combinations(Recipe(), [Axis("magnitude", "ratio", ratios), Axis("weight_bits", "bits", widths)])
    expected = itertools.product(dict.fromkeys(ratios), dict.fromkeys(widths))
    assert [tuple(getattr(step, step.slider) for step in recipe.steps) for recipe in found] == list(expected)
    assert len(set(found)) == len(found)
    assert all(Recipe.from_json(recipe.to_json()) == recipe for recipe in found)


@given(st.integers(-50, 50), st.integers(0, 60), st.integers(1, 20))
def test_ranges_are_those_of_whole_hundredths(low: int, length: int, step: int) -> None:
    found = evenly(low / 100, (low + length) / 100, step / 100)
    assert found == tuple(n / 100 for n in range(low, low + length + 1, step))
