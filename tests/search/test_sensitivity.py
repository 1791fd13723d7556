"""What each layer bears: order, streaming, what is kept, and every technique that takes layers one by one."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable

import pytest
import torch
from torch import nn
from torch.nn import functional as F

import workbench.search.trial as trial_module
from workbench.context import Progress
from workbench.errors import Cancelled, Refused
from workbench.network import layers
from workbench.recipe import Recipe, Step, overridable
from workbench.registry import techniques
from workbench.result import DataRef, Job, ModelRef
from workbench.run import Prepared
from workbench.search.sensitivity import Sensitivity, agreement, harshest_first, sensitivity, usual
from workbench.search.trial import Trials
from workbench.techniques.magnitude import Magnitude
from workbench.techniques.weight_bits import WeightBits

BITS = {"techniques": ["weight_bits"], "values": {"weight_bits": [4, 1, 2]}}
ABLE = overridable()


def last(items: list[Sensitivity]) -> dict[tuple[str, object], Sensitivity]:
    """Return the newest item of each layer and value."""
    return {(item.layer, item.value): item for item in items}


def test_every_layer_is_tried_harshest_first_then_in_the_order_of_what_it_lost(prepared: Prepared) -> None:
    items = list(sensitivity(prepared, images=90, **BITS))
    first, rest = items[:3], items[3:]
    assert [(item.layer, item.value) for item in first] == [("conv1", 1), ("conv2", 1), ("fc", 1)]
    order = sorted(first, key=lambda item: -item.judgement.divergence.value)
    # 90 images are fewer than a first pass takes, so that it is the last word on the harshest setting
    assert [(item.layer, item.value) for item in rest] == [(item.layer, v) for item in order for v in (2, 4)]
    assert [item.done for item in items] == list(range(1, 10))
    assert {item.of for item in items} == {9}
    assert not any(item.rough for item in items)


def test_a_first_pass_on_few_images_is_followed_by_all(prepared: Prepared, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("workbench.search.sensitivity.FIRST_IMAGES", 30)
    items = list(sensitivity(prepared, images=90, **BITS))
    assert [item.judgement.drop.n for item in items] == [30] * 3 + [90] * 9
    assert [item.rough for item in items] == [True] * 3 + [False] * 9
    assert [item.done for item in items] == [0, 0, 0, *range(1, 10)]
    assert len(last(items)) == 9


def test_an_item_is_the_trial_of_a_recipe_for_that_layer_alone(prepared: Prepared) -> None:
    items = list(sensitivity(prepared, images=90, **BITS))
    trials = Trials(prepared, images=90)
    item = last(items)["conv2", 2]
    step = WeightBits(bits=32, method="descent", layers={"conv2": 2})
    trial = trials.of(Recipe((step,)))
    assert usual(WeightBits).alone("conv2", 2) == step
    assert item.judgement == trial.judgement
    assert item.saved_bytes == trials.of(Recipe()).size_bytes - trial.size_bytes > 0


def test_the_score_is_the_share_of_the_outputs_that_is_lost(prepared: Prepared) -> None:
    items = list(sensitivity(prepared, images=90, techniques=["magnitude"], values={"magnitude": [0.8]}))
    ctx, name = prepared.context, "conv2"
    network = Trials(prepared, images=90).network(Recipe((usual(Magnitude).alone(name, 0.8),)))
    images = ctx.calibration.inputs(torch.arange(96))
    with torch.no_grad():
        x = prepared.model.relu1(prepared.model.bn1(prepared.model.conv1(images)))
        before = prepared.model.conv2(x)
        away = F.conv2d(x, network.conv2.weight - prepared.model.conv2.weight, padding=1)
    lost = (away - away.mean((0, 2, 3), keepdim=True)).square().sum()
    whole = (before - before.mean((0, 2, 3), keepdim=True)).square().sum()
    # the score takes 48 of 64 positions of each image
    assert last(items)[name, 0.8].score == pytest.approx(float(lost / whole), rel=0.05)


def test_what_was_measured_is_there_at_once(prepared: Prepared, monkeypatch: pytest.MonkeyPatch) -> None:
    items = list(sensitivity(prepared, images=90, **BITS))
    monkeypatch.setattr(trial_module, "compress", lambda *_: pytest.fail("it was measured again"))
    assert list(sensitivity(prepared, images=90, **BITS)) == items


def test_it_streams_and_stops(prepared: Prepared) -> None:
    told: list[Progress] = []

    def report(progress: Progress) -> None:
        told.append(progress)
        if "conv2 at bits 1" in progress.message:
            raise Cancelled

    found = sensitivity(prepared, images=90, report=report, **BITS)
    assert next(found).layer == "conv1"
    with pytest.raises(Cancelled):
        next(found)
    assert all(0 <= progress.fraction <= 1 for progress in told)
    again = list(sensitivity(prepared, images=90, **BITS))
    assert len(again) == 9, "what was begun is begun anew"


@pytest.mark.parametrize("technique", ABLE, ids=lambda technique: technique.name)
def test_every_technique_that_takes_layers_one_by_one(
    technique: type[Step], net: nn.Module, make_prepared: Callable[..., Prepared]
) -> None:
    prepared = make_prepared()
    items = list(sensitivity(prepared, techniques=[technique.name], images=90))
    assert {item.layer for item in items} == {"conv1", "conv2", "fc"}
    judged = [item for item in items if item.judgement is not None]
    assert judged, "it can do something to some layer"
    assert all(item.why for item in items if item.judgement is None)
    for item in judged:
        assert item.judgement.divergence.value > 0
        assert item.value != technique.neutral
    assert max(item.done for item in items) == items[0].of
    json.dumps([dataclasses.asdict(item) for item in items])


@pytest.mark.parametrize("technique", [t for t in ABLE if t.approximates], ids=lambda technique: technique.name)
def test_a_step_for_one_layer_leaves_all_others_as_they_are(technique: type[Step], net: nn.Module, ctx) -> None:
    value = harshest_first(technique, technique.positions)[0]
    result = usual(technique).alone("conv2", value).apply(net, ctx)
    before, after = net.state_dict(), result.state_dict()
    changed = {name for name in before if not torch.equal(before[name], after[name])}
    assert "conv2.weight" in changed
    assert changed <= {"conv2.weight", "conv2.bias"}


def test_low_rank_for_one_layer_leaves_all_others_as_they_are(net: nn.Module, ctx) -> None:
    result = techniques.get("low_rank")().alone("conv2", 0.5).apply(net, ctx)
    assert torch.equal(result.conv1.weight, net.conv1.weight)
    assert torch.equal(result.fc.weight, net.fc.weight)
    assert torch.equal(result.fc.bias, net.fc.bias)
    assert "conv2" not in layers(result)


def test_harshest_is_farthest_from_neutral() -> None:
    assert harshest_first(WeightBits, (4, 2, 8)) == (2, 4, 8)
    assert harshest_first(Magnitude, (0.5, 0.9, 0.7, 0.5)) == (0.9, 0.7, 0.5)
    assert harshest_first(techniques.get("low_rank"), (0.5, 0.85)) == (0.5, 0.85)


def test_agreement_is_the_rank_correlation_of_score_and_divergence(prepared: Prepared) -> None:
    items = list(last(list(sensitivity(prepared, images=90, **BITS))).values())
    found = agreement(items)
    assert found is not None
    assert found.n == 9
    assert found.value > 0.5
    assert agreement([]) is None


def test_what_cannot_be_asked_is_refused(prepared: Prepared) -> None:
    with pytest.raises(Refused, match="n_m has no setting for a layer alone; techniques that have are channels"):
        list(sensitivity(prepared, techniques=["n_m"]))
    with pytest.raises(Refused, match=r"weight_bits.bits must be one of .*, got 9"):
        list(sensitivity(prepared, techniques=["weight_bits"], values={"weight_bits": [9]}))
    with pytest.raises(Refused, match="expected a value of bits other than 32"):
        list(sensitivity(prepared, techniques=["weight_bits"], values={"weight_bits": [32]}))
    recipe = Recipe((WeightBits(bits=4),))
    job = Job(model=ModelRef(name="digits-cnn"), data=DataRef(name="digits"), recipe=recipe)
    with pytest.raises(Refused, match="expected no steps, got weight bits"):
        list(sensitivity(job))


def test_a_job_is_prepared_first() -> None:
    job = Job(model=ModelRef(name="digits-mlp"), data=DataRef(name="digits"))
    item = next(sensitivity(job, techniques=["weight_bits"], images=40))
    assert item.layer == "fc1"
    assert item.judgement.drop.n == 40
