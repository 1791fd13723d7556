"""Budgets on a real network: what was forecast is made, measured, and compared with its control."""

from __future__ import annotations

import dataclasses

import pytest

from workbench.context import Cache
from workbench.errors import Cancelled, Refused
from workbench.export.packed import pack
from workbench.network import layers
from workbench.recipe import Recipe
from workbench.registry import techniques
from workbench.result import DataRef, Estimate, Job, ModelRef, Status
from workbench.search.bases import bases
from workbench.search.budget import along, contend, ground, least, opened, verdict
from workbench.search.contender import Contender, best_of
from workbench.search.costs import costs
from workbench.search.limits import Limits
from workbench.search.plan import front
from workbench.search.trial import Judgement, Trial
from workbench.search.uniform import quick

JOB = Job(model=ModelRef(name="digits-mlp"), data=DataRef(name="digits"))
SIZE = Limits(size_bytes=8000)


@pytest.fixture(scope="module")
def found():
    return ground(JOB, SIZE)


@pytest.fixture(scope="module")
def tried(found):
    return list(contend(found, SIZE))


def test_every_layer_has_all_combinations_and_the_first_leaves_it_alone(found):
    (table,) = found.tables
    assert set(table.layers) == {"fc1", "fc2", "fc3"}
    prune, bits = table.dials
    for options in table.layers.values():
        assert len(options) == len(prune.values) * len(bits.values)
        assert options[0].settings == ()
        assert options[0].loss == 0


def test_costs_add_up_to_the_file(found):
    (table,) = found.tables
    network = found.trials.network(Recipe())
    whole = len(pack(network, found.prepared.about).data)
    parts = costs(network, found.prepared, tuple(layers(network)), work=True)
    assert parts.total("size_bytes") == whole
    assert parts.total("macs") == 64 * 128 + 128 * 64 + 64 * 10
    assert parts.parts["macs"]["fc1"] == 64 * 128
    assert table.rest["size_bytes"] + sum(o[0].costs["size_bytes"] for o in table.layers.values()) == whole


def test_what_is_made_keeps_the_limit_and_is_really_that_large(found, tried):
    best = best_of(tried)
    assert best.keeps
    assert len(pack(found.trials.network(best.recipe), found.prepared.about).data) == best.costs["size_bytes"] <= 8000
    assert all(each.keeps == (each.costs["size_bytes"] <= 8000) for each in tried)


def test_the_control_is_always_there_and_the_best_is_at_least_as_good(tried):
    control = best_of([each for each in tried if each.uniform])
    assert control is not None
    assert best_of(tried).trial.judgement.divergence.value <= control.trial.judgement.divergence.value
    ours = best_of([each for each in tried if not each.uniform])
    assert 0.9 * 8000 <= ours.costs["size_bytes"] <= 8000  # repairs use what is allowed


def test_a_size_that_cannot_be_reached_says_which_can(found):
    none = found.plan(Limits(size_bytes=100))
    assert none.status is Status.INFEASIBLE
    least_size = none.smallest["size_bytes"]
    assert f"{least_size:,.0f} bytes" in none.message
    assert found.plan(Limits(size_bytes=1.01 * least_size)).status is Status.OK


def test_limits_of_another_kind_need_other_preparations(found):
    with pytest.raises(Refused, match="prepare the budget again"):
        found.plan(Limits(macs=1000))


def test_protected_layers_stay_as_they_are():
    found = ground(JOB, SIZE, protected=frozenset({"fc3"}))
    plan = found.plan(SIZE)
    assert all("fc3" not in dict(getattr(step, "layers", ())) for step in plan.recipe.steps)
    with pytest.raises(Refused, match="no layer to protect is called 'fc9'"):
        ground(JOB, SIZE, protected=frozenset({"fc9"}))


def test_the_smallest_file_that_loses_little_is_found_by_halving(found):
    limits = Limits(drop=0.02)
    attempts = list(least(found, limits))
    kept = [each for each in attempts if each.keeps]
    assert kept
    assert all(each.trial.judgement.drop.value <= 0.02 for each in kept)
    smallest = min(each.costs["size_bytes"] for each in kept)
    assert smallest < 0.25 * attempts[0].costs["size_bytes"]
    with pytest.raises(Refused, match="how much accuracy"):
        next(least(found, SIZE))


def test_plans_along_the_front_are_made_from_the_middle(found):
    plans = front(found.tables, 5)
    made = dict(along(found, plans))
    assert next(iter(made)) == len(plans) // 2
    assert {number: each.recipe for number, each in made.items()} == {n: plan.recipe for n, plan in enumerate(plans)}


def test_something_is_there_before_any_layer_was_measured():
    contenders = list(quick(opened(JOB, SIZE), SIZE))
    assert any(each.keeps for each in contenders)
    assert all(each.uniform for each in contenders)


def test_multiply_adds_need_narrower_networks():
    limits = Limits(macs=12_000)
    found = opened(JOB, limits)
    narrow = bases(found.prepared, found.trials, limits, None)
    assert all(base.costs.total("macs") <= 12_000 for base in narrow)
    assert any(step.name == "channels" for base in narrow for step in base.steps)


def test_a_device_with_integers_alone_gets_rounded_activations():
    limits = Limits(device="edge-tpu")
    found = opened(JOB, limits)
    narrow = bases(found.prepared, found.trials, limits, found.device)
    assert all(any(step.name == "activation_bits" for step in base.steps) for base in narrow)
    with pytest.raises(Refused, match="there is no device called 'toaster'"):
        opened(JOB, Limits(device="toaster"))


def test_cancel_stops_the_measuring(found):
    found.prepared.known.get("sensitivities", lambda: Cache(1))

    def stop(_):
        raise Cancelled

    with pytest.raises(Cancelled):
        ground(dataclasses.replace(JOB, seed=3), SIZE, report=stop)


def contender(nats, *, uniform, keeps=True, low=None, high=None, bits=None):
    def estimate(value, unit, low=None, high=None):
        ends = {"low": value if low is None else low, "high": value if high is None else high}
        return Estimate(value=value, how="measured", unit=unit, n=100, **ends)

    judged = Judgement(
        divergence=estimate(nats, "nats", low, high), drop=estimate(0.0, "fraction"), accuracy=estimate(0.9, "fraction")
    )
    recipe = Recipe((techniques.get("weight_bits")(bits=bits or (4 if uniform else 5)),))
    trial = Trial(recipe=recipe, judgement=judged, size_bytes=10, macs=10)
    costs = {"size_bytes": 10.0}
    return Contender(title="x", recipe=recipe, trial=trial, costs=costs, keeps=keeps, uniform=uniform)


@pytest.mark.parametrize(
    ("contenders", "words"),
    [
        ([contender(0.1, uniform=False, high=0.12), contender(0.3, uniform=True, low=0.2)], "beats the best uniform"),
        ([contender(0.1, uniform=False, high=0.4), contender(0.3, uniform=True)], "though the intervals overlap"),
        ([contender(0.3, uniform=False), contender(0.1, uniform=True)], "Uniform won"),
        ([contender(0.3, uniform=False, keeps=False), contender(0.1, uniform=True)], "Uniform won: no plan"),
        ([contender(0.2, uniform=False), contender(0.2, uniform=True)], "equally (0.2 nats)"),
        ([contender(0.2, uniform=False, bits=4), contender(0.2, uniform=True)], "The plan is the best uniform setting"),
        ([contender(0.3, uniform=False)], "No uniform setting keeps"),
        ([contender(0.3, uniform=False, keeps=False)], "Nothing kept"),
    ],
)
def test_the_verdict_says_who_won(contenders, words):
    assert words in verdict(contenders)
