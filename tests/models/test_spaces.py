"""The contract of architecture spaces: whatever is registered has names that travel, and is a model like any other."""

from __future__ import annotations

import dataclasses

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from workbench.cards import Training
from workbench.compress import compress
from workbench.errors import Refused
from workbench.export.packed import pack, unpack
from workbench.models._load import build
from workbench.network import check
from workbench.recipe import Recipe
from workbench.registry import data, models, spaces, techniques
from workbench.space import Region, values

SPACES = list(spaces)
IDS = [space.name for space in SPACES]
each_space = pytest.mark.parametrize("space", SPACES, ids=IDS)


def corners(space):
    region = Region.of(space)
    return {region.smallest, space(), region.largest}


def points(space):
    """Any network of a space."""
    return st.integers(0, Region.of(space).size - 1).map(Region.of(space).at)


@each_space
def test_it_says_what_a_person_must_know(space):
    assert space.name == space.name.lower()
    assert ":" not in space.name
    assert all((space.title, space.summary, space.paper))
    assert isinstance(space.training, Training)
    assert all(name in data for name in space.data)
    channels = space.input_shape[0]
    assert len(space.mean) == len(space.std) == channels
    for field in space.fields():
        assert field.spec.help
        there = values(field)
        assert field.default in there
        assert list(there) == sorted(set(there))


@pytest.mark.parametrize("space", SPACES, ids=IDS)
@given(drawn=st.data())
def test_its_name_names_it(space, drawn):
    point = drawn.draw(points(space))
    assert space.spelt(point.spelled.partition(":")[2]) == point
    assert space(**point.to_dict()) == point
    assert models.get(point.spelled).card.name == point.spelled


@each_space
def test_a_network_has_one_name(space):
    with pytest.raises(Refused, match="is named by all its fields in order: use"):
        models.get(f"{space.name}:")
    first, second, *rest = space().spelled.partition(":")[2].split(",")
    with pytest.raises(Refused, match="in order: use"):
        models.get(f"{space.name}:{','.join((second, first, *rest))}")


@each_space
def test_values_outside_are_refused_in_a_sentence(space):
    field = space.fields()[0]
    with pytest.raises(Refused, match=f"{space.name}.{field.name} must be"):
        space(**{field.name: -1})
    with pytest.raises(Refused, match=f"{space.name} takes"):
        models.get(f"{space.name}:nonsense=1")
    with pytest.raises(Refused, match=f"{space.name}.{field.name}"):
        models.get(f"{space.name}:{field.name}=many")


@each_space
def test_corners_build_run_and_are_kept_in_files(space):
    example = torch.randn(2, *space.input_shape, generator=torch.Generator().manual_seed(0))
    for point in corners(space):
        network = build(point.spelled, 7).eval()
        check(network, example, 7)
        again = unpack(pack(network).data, lambda name: build(name, 7)).eval()
        with torch.no_grad():
            assert torch.equal(again(example), network(example))


@each_space
def test_the_smallest_has_the_fewest_parameters(space):
    sizes = [sum(p.numel() for p in point.build(10).parameters()) for point in map(Region.of(space).at, range(20))]
    smallest, largest = (
        sum(p.numel() for p in point.build(10).parameters())
        for point in (Region.of(space).smallest, Region.of(space).largest)
    )
    assert smallest <= min(sizes)
    assert max(sizes) <= largest


@pytest.mark.parametrize("space", [space for space in SPACES if space.nested], ids=lambda space: space.name)
@settings(max_examples=15)
@given(drawn=st.data())
def test_networks_of_a_nested_space_are_parts_of_the_largest(space, drawn):
    largest = dict(Region.of(space).largest.build(10).named_parameters())
    for name, parameter in drawn.draw(points(space)).build(10).named_parameters():
        whole = largest[name]
        assert parameter.ndim == whole.ndim
        assert all(part <= size for part, size in zip(parameter.shape, whole.shape, strict=True))
        assert all((size - part) % 2 == 0 for part, size in zip(parameter.shape[2:], whole.shape[2:], strict=True))


SMALL = "digits-space:depth=1,width=8,growth=2,kernel=3,expansion=2,resolution=8"


@pytest.mark.parametrize(
    "changed",
    [("magnitude", {"ratio": 0.5}), ("weight_bits", {"bits": 4}), ("channels", {"ratio": 0.3}), ("distill", {})],
    ids=lambda changed: changed[0],
)
def test_a_network_of_a_space_is_compressed_like_any_other(changed, make_ctx):
    name, changes = changed
    network = build(SMALL, 3).eval()
    step = techniques.get(name)(**changes)
    if name == "distill":
        step = dataclasses.replace(step, epochs=0.5, student=SMALL)
    ctx = make_ctx(original=network, build=lambda other: build(other, 3), load=lambda other: build(other, 3))
    made = compress(network, Recipe((step,)), ctx).eval()
    check(made, ctx.example, 3)
    again = unpack(pack(made).data, lambda other: build(other or SMALL, 3)).eval()
    with torch.no_grad():
        assert torch.equal(again(ctx.example), made(ctx.example))


def test_a_region_is_a_part_of_a_space():
    space = spaces.get("digits-space")
    region = Region.of(space, {"kernel": (5,), "width": (16, 8)})
    assert region.size == Region.of(space).size // 2 // 2
    assert (region.smallest.width, region.largest.width, region.smallest.kernel) == (8, 16, 5)
    assert len({region.at(number) for number in range(region.size)}) == region.size


@pytest.mark.parametrize(
    ("only", "words"),
    [
        ({"kernel": ()}, "kernel has no value left, so the space is empty: allow at least one of 3, 5"),
        ({"kernel": (7,)}, "digits-space.kernel must be one of 3, 5, got 7"),
        ({"width": (5,)}, "digits-space.width must be among 4, 8, 12, 16, got 5"),
        ({"colour": (1,)}, "digits-space has the fields depth, width"),
    ],
)
def test_an_empty_or_wrong_region_is_refused(only, words):
    with pytest.raises(Refused, match=words):
        Region.of(spaces.get("digits-space"), only)


def test_a_shuffled_region_has_each_network_once():
    region = Region.of(spaces.get("digits-space"))
    drawn = list(region.shuffled(3))
    assert len(drawn) == len(set(drawn)) == region.size
    assert drawn == list(region.shuffled(3))
    assert drawn != list(region.shuffled(4))
