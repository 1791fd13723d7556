"""`workbench search nas`: what it prints, and how it ends."""

from __future__ import annotations

import pytest

from workbench.result import Estimate, Job, ModelRef, Result
from workbench.search import nas
from workbench.search.judging import Verdict

SEARCH = ("search", "nas", "digits-space", "--data", "digits", "--objective", "parameters")
ONE = ("--trials", "2", "--finish", "0")


def known(point, report):
    right = tuple(number < 40 + 3 * point.width for number in range(100))
    accuracy = Estimate(value=sum(right) / 100, low=0.4, high=0.9, n=100, how="measured", unit="fraction")
    return Verdict(right=right, accuracy=accuracy, cross_entropy=Estimate.counted(1.0))


@pytest.fixture(autouse=True)
def judges(monkeypatch):
    monkeypatch.setattr(nas, "_judge", lambda *_: known)


def test_a_line_for_each_candidate_then_the_front(workbench):
    told = workbench(*SEARCH, *ONE)
    assert told.code == 0
    lines = told.out.splitlines()
    assert [line.split()[:2] for line in lines[:4]] == [
        ["search", "1"],
        ["control", "1"],
        ["search", "2"],
        ["control", "2"],
    ]
    assert "Not beaten by any other, accuracy on validation images:" in told.out
    assert "on 100 validation images." in lines[-1]


def test_json_is_one_object(workbench):
    found = workbench(*SEARCH, *ONE, "--json", "--at-most", "macs=3e5", "--only", "kernel=3", "--only", "width=8+12")
    assert found.code == 0
    plain = found.json
    assert plain["plan"]["limits"] == {"macs": 300000.0}
    assert plain["plan"]["only"] == {"kernel": [3], "width": [8, 12]}
    assert {candidate["kernel"] for candidate in plain["candidates"]} == {3}
    assert {candidate["arm"] for candidate in plain["candidates"]} == {"search", "control"}
    assert set(plain["front"]) <= {candidate["model"] for candidate in plain["candidates"]}
    assert plain["ahead"]["low"] <= plain["ahead"]["value"] <= plain["ahead"]["high"]


def test_the_front_is_finished_the_most_accurate_first(workbench, monkeypatch):
    asked = []

    def finished(name, data, seed, report):
        asked.append(name)
        accuracy = Estimate(value=0.9, low=0.87, high=0.92, n=600, how="measured", unit="fraction")
        job = Job(model=ModelRef(name=name), data=data)
        return Result(job=job, key="k", estimates={"accuracy": accuracy, "size_bytes": Estimate.counted(9000, "bytes")})

    monkeypatch.setattr("workbench.search.finish.finished", finished)
    told = workbench(*SEARCH, "--trials", "2", "--finish", "1", "--json")
    assert asked == [told.json["front"][-1]]
    assert told.json["finished"][0]["accuracy"] == 0.9
    assert (
        "test accuracy 90.00 % [87.00, 92.00], measured on 600 images; 9,000 bytes"
        in workbench(*SEARCH, "--trials", "2", "--finish", "1").out
    )


def test_nothing_within_the_limits(workbench):
    told = workbench(*SEARCH, "--trials", "1", "--at-most", "parameters=5")
    assert told.code == 4
    assert "infeasible: parameters is" in told.out
    assert "keeps what was asked (parameters at most 5, the least seen is 278)" in told.err


def test_ctrl_c_keeps_what_was_found(workbench, monkeypatch):
    def interrupted(point, report):
        if len(seen) == 3:
            raise KeyboardInterrupt
        seen.append(point)
        return known(point, report)

    seen = []
    monkeypatch.setattr(nas, "_judge", lambda *_: interrupted)
    told = workbench(*SEARCH, "--trials", "5")
    assert told.code == 130
    assert "Not beaten by any other" in told.out
    assert told.err.endswith("workbench: interrupted\n")


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--at-most", "macs"), "--at-most takes COST=NUMBER, such as macs=1e6, got 'macs'"),
        (("--at-most", "macs=few"), "--at-most takes COST=NUMBER"),
        (("--only", "colour=1"), "--only takes FIELD=A+B with one of the fields depth, width"),
        (("--only", "kernel="), "kernel has no value left, so the space is empty"),
        (("--only", "width=wide"), "expected a number in [4, 16], got 'wide'"),
        (("--strategy", "luck"), "there is no search strategy called 'luck'"),
    ],
)
def test_what_is_refused_is_one_sentence(workbench, options, words):
    told = workbench(*SEARCH, *options)
    assert told.code == 3
    assert words in told.err
    assert "Traceback" not in told.err
    assert told.err.count("\n") == 1
