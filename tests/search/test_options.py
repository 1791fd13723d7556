"""What layers may become: dials, losses between measured settings, and recipes from choices."""

from __future__ import annotations

import itertools
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workbench.recipe import Recipe
from workbench.registry import techniques
from workbench.search.options import dials, read_off, recipe_of

PRUNE, BITS = dials()


def test_dials_come_in_the_order_of_recipes_and_begin_at_what_changes_nothing():
    assert [dial.name for dial in dials(("weight_bits", "magnitude"))] == ["magnitude", "weight_bits"]
    assert BITS.values == (32, 8, 7, 6, 5, 4, 3, 2, 1)
    assert PRUNE.values[0] == 0.0
    assert PRUNE.values[-1] == max(PRUNE.technique.positions)
    assert BITS.telling == (8, 4, 3, 2, 1)


def test_only_techniques_with_a_neutral_slider_for_each_layer_can_be_turned():
    with pytest.raises(TypeError, match="no slider"):
        dials(("finetune",))


def test_between_widths_each_bit_quarters_the_loss():
    measured = {4: 0.01, 2: 0.16}
    assert read_off(measured, 3, BITS) == pytest.approx(0.04)
    assert read_off(measured, 6, BITS) == pytest.approx(0.01 / 16)
    assert read_off(measured, 4, BITS) == pytest.approx(0.01)
    assert read_off(measured, 32, BITS) == 0.0


def test_what_is_harsher_is_never_read_as_better():
    assert read_off({4: 0.02, 3: 0.01}, 3, BITS) == pytest.approx(0.02)


def test_what_broke_the_network_stays_broken_beyond():
    measured = {4: 0.01, 2: 0.16, 1: math.inf}
    assert read_off(measured, 1, BITS) == math.inf
    assert read_off(measured, 3, BITS) == pytest.approx(0.04)
    assert read_off({1: math.inf}, 2, BITS) == math.inf


@given(st.dictionaries(st.sampled_from((1, 2, 3, 4, 6, 8)), st.floats(0, 10), min_size=1))
def test_losses_grow_with_strength(measured):
    losses = [read_off(measured, value, BITS) for value in BITS.values]
    assert all(a <= b * (1 + 1e-9) for a, b in itertools.pairwise(losses))


def test_a_recipe_gives_each_layer_its_own_settings():
    choices = {"conv1": (("weight_bits", 8),), "conv2": (("magnitude", 0.5), ("weight_bits", 3)), "fc": ()}
    found = recipe_of(choices, dials())
    prune, bits = found.steps
    assert (prune.name, prune.ratio, dict(prune.layers)) == ("magnitude", 0.0, {"conv2": 0.5})
    assert (bits.name, bits.bits, dict(bits.layers)) == ("weight_bits", 32, {"conv1": 8, "conv2": 3})


def test_halves_of_a_layer_are_treated_alike_and_steps_keep_their_order():
    used = dials(("low_rank", "magnitude", "weight_bits"))
    extra = techniques.get("vector_bits")()
    found = recipe_of({"conv": (("low_rank", 0.5), ("weight_bits", 4))}, used, (extra,))
    assert [step.name for step in found.steps] == ["low_rank", "weight_bits", "vector_bits"]
    assert dict(found.steps[1].layers) == {"conv.0": 4, "conv.1": 4}


def test_a_choice_of_nothing_is_the_original():
    assert recipe_of({"conv": ()}, dials()) == Recipe()
