"""Contests on validation images."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from workbench.context import Context, Patience
from workbench.errors import Refused
from workbench.images import Preprocess, TensorImages, View
from workbench.recipe import Step
from workbench.reconstruction.contest import AUTO, chosen, contest, variants
from workbench.registry import techniques
from workbench.techniques.finetune import Finetune
from workbench.techniques.magnitude import Magnitude
from workbench.techniques.weight_bits import WeightBits

WITH_RIVALS = [technique for technique in techniques if technique.rivals]


@pytest.mark.parametrize("technique", WITH_RIVALS, ids=lambda technique: technique.name)
def test_rivals_are_settings_that_close_every_open_field(technique: type[Step]) -> None:
    open_fields = {item.name for item in technique.fields() if item.default == AUTO}
    assert open_fields
    names = {item.name for item in technique.fields()}
    for rival in technique.rivals:
        assert open_fields <= set(rival) <= names
        step = dataclasses.replace(technique(), **rival, **technique.bout)
        assert AUTO not in [getattr(step, name) for name in names]
    assert len(variants(technique())) > len(technique.rivals)


def test_divergence_and_agreement_are_those_of_torch(net: nn.Module, ctx: Context) -> None:
    step = WeightBits(bits=2, method="nearest", correct=False)
    (entry,) = contest([step], net, ctx)
    images = ctx.validation.inputs(torch.arange(90))
    with torch.no_grad():
        ours, wanted = step.apply(net, ctx)(images).double(), net(images).double()
    expected = F.kl_div(ours.log_softmax(1), wanted.log_softmax(1), reduction="batchmean", log_target=True)
    assert entry.divergence == pytest.approx(float(expected), rel=1e-4)
    each = F.kl_div(ours.log_softmax(1), wanted.log_softmax(1), reduction="none", log_target=True).sum(1)
    half = 1.96 * float(each.std()) / 90**0.5
    assert entry.low == pytest.approx(float(expected) - half, abs=0.4 * half)
    assert entry.high == pytest.approx(float(expected) + half, abs=0.4 * half)
    assert entry.agreement == pytest.approx(float((ours.argmax(1) == wanted.argmax(1)).float().mean()))
    assert entry.images == 90
    assert entry.step == step


def test_the_winner_has_the_least_divergence(net: nn.Module, ctx: Context) -> None:
    step = WeightBits(bits=4)
    at = [dataclasses.replace(step, **rival, **step.bout) for rival in step.rivals]
    best = min(contest(at, net, ctx), key=lambda entry: entry.divergence)
    assert chosen(step, ctx) == dataclasses.replace(step, method=best.step.method)
    assert chosen(step, ctx).bits == 4, "the bout has settings of its own"


def test_a_step_without_open_fields_is_itself(ctx: Context) -> None:
    assert chosen(Finetune(), ctx) == Finetune()
    assert chosen(WeightBits(method="gptq"), ctx) == WeightBits(method="gptq")


def test_short_patience_takes_the_rule_until_the_contest_was_held(ctx: Context) -> None:
    quick = dataclasses.replace(ctx, patience=Patience.SOON, provisional=[])
    assert chosen(Magnitude(), quick).score == Magnitude.rivals[0]["score"]
    assert "before the contest" in quick.provisional[0]
    settled = chosen(Magnitude(), ctx)
    quick.provisional.clear()
    assert chosen(Magnitude(), quick) == settled
    assert not quick.provisional


def test_a_contest_needs_validation_images(net: nn.Module, make_ctx: Callable[..., Context]) -> None:
    nobody = View(
        TensorImages(torch.zeros(0, 1, 8, 8, dtype=torch.uint8), torch.zeros(0)), Preprocess((1, 8, 8), (0,), (1,))
    )
    with pytest.raises(Refused, match="^a contest of methods needs validation images, got none$"):
        list(contest([WeightBits()], net, make_ctx(validation=nobody)))
