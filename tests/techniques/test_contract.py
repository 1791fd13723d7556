"""What every technique promises. The list of techniques is the registry: a new file is tested by being there."""

from __future__ import annotations

import copy
import dataclasses
import random
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Annotated, Any, final

import numpy as np
import pytest
import torch
from torch import nn

from workbench.compress import compress
from workbench.context import Context, fingerprint
from workbench.errors import Refused
from workbench.network import clone, layers, weight_format
from workbench.recipe import Choice, ModelName, PerLayer, Range, Recipe, Spec, Step, Switch
from workbench.registry import techniques
from workbench.techniques.magnitude import Magnitude
from workbench.techniques.weight_bits import WeightBits

TECHNIQUES = tuple(techniques)
each = pytest.mark.parametrize("technique", TECHNIQUES, ids=lambda technique: technique.name)
pairs = pytest.mark.parametrize(
    "pair", [(a, b) for a in TECHNIQUES for b in TECHNIQUES], ids=lambda pair: "-then-".join(t.name for t in pair)
)
MakeCtx = Callable[..., Context]


def forms(model: nn.Module) -> dict[str, Any]:
    """Return plain values that say what the weights of each layer are held to."""
    found = {}
    for name, layer in layers(model).items():
        form = weight_format(layer)
        grid = form.grid and (form.grid.spec, form.grid.scale.tolist(), form.grid.zero.tolist())
        found[name] = (None if form.mask is None else form.mask.tolist(), grid)
    return found


def keeps_its_formats(model: nn.Module) -> bool:
    """Return whether every weight is the nearest one of its own format to itself, bit for bit."""
    for layer in layers(model).values():
        form, weight = weight_format(layer), layer.weight.detach()
        nearest = weight if form.grid is None else form.grid.decode(form.grid.encode(weight))
        nearest = nearest if form.mask is None else nearest * form.mask
        if not torch.equal(nearest, weight):
            return False
    return True


def bad_values(spec: Spec) -> Iterator[Any]:
    yield None
    match spec:
        case Range():
            yield from (spec.low - 1, spec.high + 1, float("nan"), float("inf"), 10**400, True, "1", [])
            if spec.whole:
                yield spec.low + 0.5
        case Choice():
            yield from ("no such option", -1, 0.123, [])
        case Switch():
            yield from (0, 1, "true", "")
        case ModelName():
            yield from ("", 3, True, "user:evil.py:network")
        case PerLayer():
            yield from (3, "text", [1], {1: 1}, {"conv1": None})
            yield from ({"conv1": value} for value in bad_values(spec.item))


@each
def test_facts_are_there(technique: type[Step]) -> None:
    for fact in (technique.title, technique.summary, technique.hurts_when):
        assert fact == fact.strip()
        assert fact
    assert re.fullmatch(r"[a-z][a-z0-9_]*", technique.name)
    assert technique.summary.endswith(".")
    assert technique.hurts_when.endswith(".")
    assert re.search(r"https://\S+", technique.paper)
    assert isinstance(technique.order, int)
    assert technique.__doc__
    assert not technique.__doc__.startswith(technique.__name__ + "("), "the docstring is the one that dataclass writes"
    assert getattr(technique, "__final__", False), "decorate it with @final"
    assert technique.fields()
    assert all(item.spec.help for item in technique.fields())
    names = {item.name for item in technique.fields()}
    assert set(technique.flags.values()) <= names
    if technique.control is not None:
        assert set(technique.control.changes) <= names
        assert dataclasses.replace(technique(), **technique.control.changes) != technique()


def test_no_two_techniques_share_a_flag_or_a_place() -> None:
    flags = [flag for technique in TECHNIQUES for flag in technique.flags]
    assert len(flags) == len(set(flags))
    orders = [technique.order for technique in TECHNIQUES]
    assert len(orders) == len(set(orders))


@each
def test_a_step_is_a_frozen_value(technique: type[Step]) -> None:
    step = technique()
    assert step == technique()
    assert hash(step) == hash(technique())
    with pytest.raises(dataclasses.FrozenInstanceError):
        setattr(step, technique.fields()[0].name, technique.fields()[0].default)
    assert Recipe.from_json(Recipe((step,)).to_json()) == Recipe((step,))
    assert str(step).startswith(technique.title.lower())


@each
def test_bad_values_are_refused(technique: type[Step]) -> None:
    for item in technique.fields():
        for value in bad_values(item.spec):
            with pytest.raises(Refused, match=rf"^{technique.name}\.{item.name}(\[.*\])? must "):
                technique(**{item.name: value})


@each
def test_unknown_layers_are_refused_by_name(technique: type[Step], net: nn.Module, ctx: Context) -> None:
    for item in technique.fields():
        if isinstance(item.spec, PerLayer):
            low = item.spec.item.low if isinstance(item.spec.item, Range) else item.spec.item.options[0]
            step = technique(**{item.name: {"conv9": low}})
            with pytest.raises(Refused, match="'conv9'.*conv1"):
                step.apply(net, ctx)


@each
def test_the_input_is_not_touched(technique: type[Step], net: nn.Module, ctx: Context) -> None:
    net.train()  # a mode that a technique could change behind one's back
    weights, before, original = fingerprint(net), forms(net), fingerprint(ctx.original)
    pointers = {tensor.data_ptr() for tensor in net.state_dict().values()}
    result = technique().apply(net, ctx)
    assert result is not net
    assert not {tensor.data_ptr() for tensor in result.state_dict().values()} & pointers
    assert fingerprint(net) == weights
    assert forms(net) == before
    assert all(module.training for module in net.modules())
    assert all(p.grad is None and p.requires_grad for p in net.parameters())
    assert fingerprint(ctx.original) == original
    assert not any(module.training for module in ctx.original.modules())
    assert all(p.grad is None for p in ctx.original.parameters())


@each
def test_the_result_is_ready_to_use(technique: type[Step], net: nn.Module, ctx: Context) -> None:
    result = compress(net, Recipe((technique(),)), ctx)
    assert not any(module.training for module in result.modules())
    scores = result(ctx.example)
    assert scores.shape == (2, 3)
    assert torch.isfinite(scores).all()
    assert keeps_its_formats(result)
    assert all(p.grad is None for p in result.parameters())
    assert fingerprint(copy.deepcopy(result)) == fingerprint(result)


@each
def test_it_is_deterministic(technique: type[Step], net: nn.Module, make_ctx: MakeCtx) -> None:
    torch.rand(3)  # what ran before does not matter
    first = technique().apply(net, make_ctx())
    torch.rand(5)
    second = technique().apply(net, make_ctx())
    assert fingerprint(first) == fingerprint(second)
    assert forms(first) == forms(second)


@each
def test_global_randomness_is_left_alone(technique: type[Step], net: nn.Module, ctx: Context) -> None:
    def states() -> tuple[Any, ...]:
        return torch.get_rng_state().tolist(), random.getstate(), str(np.random.get_state())  # noqa: NPY002

    before = states()
    technique().apply(net, ctx)
    for changes in (technique.control.changes,) if technique.control else ():
        technique(**changes).apply(net, ctx)
    assert states() == before


@pytest.mark.parametrize(
    "technique", [t for t in TECHNIQUES if t.trains and t.control], ids=lambda technique: technique.name
)
def test_a_control_arm_trains_on_the_same_images_in_the_same_order(
    technique: type[Step], net: nn.Module, make_ctx: MakeCtx, monkeypatch: pytest.MonkeyPatch
) -> None:
    salts: list[tuple[str, ...]] = []
    generator = Context.generator
    monkeypatch.setattr(Context, "generator", lambda ctx, *salt: salts.append(salt) or generator(ctx, *salt))
    technique().apply(net, make_ctx())
    asked = salts.copy()
    salts.clear()
    technique(**technique.control.changes).apply(net, make_ctx())
    assert salts == asked != []


@each
def test_progress_stays_between_nothing_and_all(technique: type[Step], net: nn.Module, make_ctx: MakeCtx) -> None:
    seen: list[float] = []
    technique().apply(net, make_ctx(report=lambda progress: seen.append(progress.fraction)))
    assert all(0 <= fraction <= 1 for fraction in seen)
    if technique.trains:
        assert seen[-1] == 1


@pairs
def test_it_works_before_and_after_every_other(
    pair: tuple[type[Step], type[Step]], net: nn.Module, ctx: Context
) -> None:
    result = compress(net, Recipe(tuple(technique() for technique in pair)), ctx)
    assert torch.isfinite(result(ctx.example)).all()
    assert keeps_its_formats(result)


@dataclass(frozen=True, kw_only=True)
class Bad(Step):
    """A technique that breaks promises: the contract must notice each of them."""

    name, title, summary, paper, hurts_when, order = "bad", "Bad", "Breaks.", "https://example.org", "Always.", 99
    amount: Annotated[float, Range(0, 1, 0.1, "how bad")] = 0.5


@final
@dataclass(frozen=True, kw_only=True)
class TouchesTheInput(Bad):
    def apply(self, model: nn.Module, ctx: Context) -> nn.Module:
        with torch.no_grad():
            layers(model)["fc"].weight.mul_(self.amount)
        return clone(model)


@final
@dataclass(frozen=True, kw_only=True)
class ReturnsTheInput(Bad):
    def apply(self, model: nn.Module, ctx: Context) -> nn.Module:
        return model


@final
@dataclass(frozen=True, kw_only=True)
class RollsTheGlobalDice(Bad):
    def apply(self, model: nn.Module, ctx: Context) -> nn.Module:
        result = clone(model)
        layers(result)["fc"].weight.data = torch.rand(3, 128)
        return result


@final
@dataclass(frozen=True, kw_only=True)
class LeavesTheFormat(Bad):
    def apply(self, model: nn.Module, ctx: Context) -> nn.Module:
        result = clone(model)
        for layer in layers(result).values():
            layer.weight.data += 0.01
        return result


@pytest.mark.parametrize("bad", [TouchesTheInput, ReturnsTheInput], ids=lambda bad: bad.__name__)
def test_a_touched_input_would_be_noticed(bad: type[Step], net: nn.Module, ctx: Context) -> None:
    with pytest.raises(AssertionError):
        test_the_input_is_not_touched(bad, net, ctx)


def test_global_dice_would_be_noticed(net: nn.Module, make_ctx: MakeCtx) -> None:
    with pytest.raises(AssertionError):
        test_global_randomness_is_left_alone(RollsTheGlobalDice, net, make_ctx())
    with pytest.raises(AssertionError):
        test_it_is_deterministic(RollsTheGlobalDice, net, make_ctx)


def test_a_broken_format_would_be_noticed(net: nn.Module, ctx: Context) -> None:
    for first in (Magnitude, WeightBits):
        with pytest.raises(AssertionError):
            test_it_works_before_and_after_every_other((first, LeavesTheFormat), net, ctx)
