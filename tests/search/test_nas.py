"""The search: both arms, limits, seeds and what is said of it. Judges are replaced by one that needs no training."""

from __future__ import annotations

import dataclasses

import pytest

from workbench.errors import Cancelled, Refused
from workbench.registry import spaces, strategies
from workbench.result import DataRef, Estimate, Status
from workbench.search import nas
from workbench.search.candidate import Candidate
from workbench.search.judging import Verdict
from workbench.search.nas import search_architectures
from workbench.search.nas_plan import Plan
from workbench.search.outcome import outcome

DIGITS = DataRef(name="digits")
SPACE = spaces.get("digits-space")
IMAGES = 100
PLAN = Plan(space="digits-space", data=DIGITS, trials=6, objective="parameters")


def known(point, report):
    """The wider and deeper, the better; wide ones are best of all."""
    hits = 40 + 3 * point.width + 3 * point.depth
    accuracy = Estimate(value=hits / IMAGES, low=0.0, high=1.0, n=IMAGES, how="measured", unit="fraction")
    loss = Estimate(value=2 - hits / IMAGES, low=0.0, high=3.0, n=IMAGES, how="measured", unit="nats")
    right = tuple(number < hits for number in range(IMAGES))
    return Verdict(right=right, accuracy=accuracy, cross_entropy=loss)


@pytest.fixture(autouse=True)
def judges(monkeypatch):
    monkeypatch.setattr(nas, "_judge", lambda *_: known)


def tried(**changes):
    return list(search_architectures(dataclasses.replace(PLAN, **changes)))


@pytest.mark.parametrize("strategy", strategies.names())
def test_random_search_always_runs_and_gets_as_many(strategy):
    found = tried(strategy=strategy)
    arms = [candidate.arm for candidate in found]
    assert arms.count("control") == 6
    assert arms.count("search") == (0 if strategy == "random" else 6)
    for arm in set(arms):
        mine = [candidate for candidate in found if candidate.arm == arm]
        assert [candidate.number for candidate in mine] == [1, 2, 3, 4, 5, 6]
        assert len({candidate.point for candidate in mine}) == 6, "no network is tried twice"
    if strategy != "random":
        assert arms[:4] == ["search", "control"] * 2, "they take turns, so that who stops early compares like with like"


@pytest.mark.parametrize("strategy", strategies.names())
def test_equal_plans_find_the_same(strategy):
    first, again, other = ([candidate.point for candidate in tried(strategy=strategy, seed=seed)] for seed in (3, 3, 4))
    assert first == again
    assert first != other


def test_it_learns():
    """On a known landscape the search covers more than random search does."""
    plan = dataclasses.replace(PLAN, trials=40)
    found = outcome(plan, list(search_architectures(plan)))
    assert found.covered["search"] > found.covered["control"]
    assert found.ahead.low <= found.ahead.value <= found.ahead.high


def test_beyond_a_limit_is_a_row_with_a_reason_and_is_not_judged():
    found = tried(limits=(("parameters", 2000),))
    beyond = [candidate for candidate in found if not candidate.judged]
    assert beyond
    for candidate in beyond:
        size = candidate.estimates["parameters"].value
        assert candidate.status is Status.INFEASIBLE
        assert candidate.message == f"parameters is {size:,.6g}, at most 2,000 is allowed"
        assert candidate.excess == pytest.approx(size / 2000 - 1)
        assert "accuracy" not in candidate.estimates
        assert candidate.number == 0
    for candidate in found:
        if candidate.judged:
            assert candidate.estimates["parameters"].value <= 2000
    assert sum(candidate.judged for candidate in found) == 12, "what is beyond a limit does not count as a trial"


def test_costs_are_counted_as_the_network_is():
    (first, *_) = tried(trials=1, limits=(("macs", 1e9), ("size_bytes", 1e9)))
    network = first.point.build(10)
    assert first.estimates["parameters"].value == sum(p.numel() for p in network.parameters())
    assert {estimate.how for name, estimate in first.estimates.items() if name in ("macs", "size_bytes")} == {"counted"}


def test_a_device_says_what_does_not_fit_there():
    found = tried(device="edge-tpu", trials=1)
    assert not any(candidate.judged for candidate in found)
    assert all("it computes in int8 only" in candidate.message for candidate in found)
    told = outcome(dataclasses.replace(PLAN, device="edge-tpu"), found).sentence
    assert "keeps what was asked (on Coral Edge TPU" in told
    found = tried(device="cortex-m7", trials=1, objective="latency_ms")
    assert found[0].judged
    assert found[0].estimates["latency_ms"].how == "modelled"


def test_nothing_keeps_the_limits():
    plan = dataclasses.replace(PLAN, limits=(("macs", 5),), trials=1)
    found = list(search_architectures(plan))
    assert not any(candidate.judged for candidate in found)
    told = outcome(plan, found)
    assert told.front == ()
    assert told.sentence == (
        f"None of {len(found)} networks of digits-space keeps what was asked (macs at most 5, the least seen is 2,168)."
    )


def test_limits_that_contradict_each_other():
    plan = dataclasses.replace(PLAN, limits=(("macs", 20), ("parameters", 20)))
    rows = [row(macs=10, parameters=30), row(macs=30, parameters=10)]
    assert outcome(plan, rows).sentence == (
        "The limits contradict each other: each can be kept, but none of 2 networks of digits-space keeps what was "
        "asked (macs at most 20, the least seen is 10; parameters at most 20, the least seen is 10)."
    )
    assert outcome(plan, []).sentence == "Nothing was tried yet."


def row(arm="search", hits=(), **costs):
    estimates = {name: Estimate.counted(value) for name, value in costs.items()}
    if not hits:
        return Candidate(point=SPACE(), arm=arm, number=0, status=Status.INFEASIBLE, estimates=estimates)
    share = sum(hits) / len(hits)
    accuracy = Estimate(value=share, low=0, high=1, n=len(hits), how="measured", unit="fraction")
    return Candidate(
        point=SPACE(),
        arm=arm,
        number=1,
        estimates={**estimates, "accuracy": accuracy, "cross_entropy": Estimate.counted(1 - share)},
        right=tuple(hits),
    )


def test_arms_are_compared_on_the_same_images_by_hand():
    good, poor = [True] * 90 + [False] * 10, [True] * 50 + [False] * 50
    rows = [
        row("search", good, parameters=10),
        row("control", poor, parameters=10),
        row("control", good, parameters=100),
    ]
    found = outcome(PLAN, rows)
    # budgets from 10 to 100: the search has 0.9 throughout, the control 0.5 until the very end
    assert found.covered == {"search": pytest.approx(0.9), "control": pytest.approx(0.5)}
    assert found.ahead.value == pytest.approx(0.4)
    assert 0.3 < found.ahead.low < 0.4 < found.ahead.high <= 0.5, "40 of 100 images: a 95 % interval of about ± 0.1"
    assert found.sentence.startswith("The search beats random search: +40.0 points, 95 % +3")
    assert [candidate.arm for candidate in found.front] == ["search"]


def test_a_search_that_is_no_better_is_called_so():
    right = [True, False] * 50
    found = outcome(PLAN, [row("search", right, parameters=10), row("control", right, parameters=10)])
    assert found.ahead.value == 0
    assert found.sentence.startswith("Random search is as good, as far as these images can tell: +0.0 points")
    found = outcome(PLAN, [row("search", [False] * 99 + [True], parameters=10), row("control", right, parameters=10)])
    assert found.sentence.startswith("Random search did better: −49.0 points")


def test_one_arm_has_nothing_to_compare_with():
    found = outcome(PLAN, [row("control", [True, False], parameters=10)])
    assert found.ahead is None
    assert found.sentence == "There is nothing to compare with: 1 network within the limits, of one arm alone."


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"space": "nonsense"}, "there is no architecture space called 'nonsense'"),
        ({"strategy": "nonsense"}, "there is no search strategy called 'nonsense'"),
        ({"data": DataRef(name="nonsense")}, "there is no data set called 'nonsense'"),
        ({"device": "nonsense"}, "there is no device called 'nonsense'"),
        ({"objective": "beauty"}, "'beauty' is nothing that a network costs: choose from size_bytes"),
        ({"objective": "latency_ms"}, "latency_ms is a matter of a device: name one"),
        ({"trials": 0}, r"trials must be a whole number in \[1, 1000\], got 0"),
        ({"epochs": 0}, r"epochs must be in \(0, 1000\], got 0"),
        ({"seed": -1}, "the seed must be a whole number"),
        ({"limits": (("macs", -1),)}, "a limit must be a number above 0, got macs at most -1"),
        ({"limits": (("macs", float("nan")),)}, "a limit must be a number above 0"),
        ({"limits": (("macs", 5), ("macs", 9))}, "macs is limited twice, to 5 and to 9: give one limit"),
        ({"only": {"kernel": ()}}, "kernel has no value left, so the space is empty"),
    ],
)
def test_what_cannot_be_asked_is_refused_in_a_sentence(changes, words):
    with pytest.raises(Refused, match=words):
        dataclasses.replace(PLAN, **changes)


def test_a_small_region_is_searched_to_its_end():
    only = {"width": (8,), "growth": (1,), "depth": (1,), "kernel": (3,), "expansion": (1,)}
    found = tried(only=only, strategy="nsga2")
    assert [candidate.arm for candidate in found].count("search") == 2
    assert len({candidate.point for candidate in found}) == 2


def test_it_stops_when_it_is_told_to():
    heard = []

    def report(news):
        heard.append(news.fraction)
        if len(heard) == 4:
            raise Cancelled

    found = search_architectures(PLAN, report=report)
    rows = [next(found) for _ in range(3)]
    with pytest.raises(Cancelled):
        next(found)
    assert heard == sorted(heard)
    assert outcome(PLAN, rows).front


def test_a_candidate_is_plain_json():
    plain = tried(trials=1)[0].to_dict()
    assert plain["model"].startswith("digits-space:depth=")
    assert plain["status"] == "ok"
    assert {"accuracy", "accuracy_low", "accuracy_high", "parameters", "width"} <= set(plain)
