"""`workbench search sensitivity`."""

from __future__ import annotations

import pytest

ASKED = ("search", "sensitivity", "digits-mlp", "--data", "digits", "--images", "100")


def test_each_layer_is_told_and_listed(workbench) -> None:
    found = workbench(*ASKED, "--technique", "weight_bits", "--values", "2,4")
    assert found.code == 0
    assert "1/6 fc1 weight_bits 2: drop" in found.err
    head, *rows = found.out.splitlines()
    assert head.split()[:3] == ["layer", "technique", "value"]
    assert sorted(row.split()[0] for row in rows[:6]) == ["fc1", "fc1", "fc2", "fc2", "fc3", "fc3"]
    assert rows[6].startswith("weight_bits: the cheap score")
    assert "Spearman" in rows[6]


def test_as_json(workbench) -> None:
    found = workbench(*ASKED, "--technique", "magnitude", "--technique", "low_rank", "--json").json
    first = found["items"][0]
    assert first["drop"]["low"] <= first["drop"]["value"] <= first["drop"]["high"]
    assert first["divergence"]["how"] == "measured"
    assert first["images"] == 100
    assert first["score"] > 0
    assert set(found["agreement"]) == {"magnitude", "low_rank"}
    assert {item["technique"] for item in found["items"]} == {"magnitude", "low_rank"}


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("--bits", "4"), "expected no steps, got weight bits"),
        (("--values", "2,4"), "name it with --technique"),
        (("--technique", "finetune"), "finetune has no setting for a layer alone"),
        (("--technique", "weight_bits", "--values", "2,9"), "must be one of"),
        (("--technique", "magnitude", "--values", "much"), "expected a number"),
        (("--technique", "nonsense"), "there is no technique called 'nonsense'"),
    ],
)
def test_what_is_wrong_is_said(workbench, arguments: tuple[str, ...], sentence: str) -> None:
    found = workbench(*ASKED, *arguments)
    assert found.code == 3
    assert sentence in found.err
    assert "Traceback" not in found.err
