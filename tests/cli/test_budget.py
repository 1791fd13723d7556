"""`workbench search budget` and `workbench auto`."""

from __future__ import annotations

import json

import pytest

pytestmark = pytest.mark.usefixtures("quick_search")

BUDGET = ("search", "budget", "digits-mlp", "--data", "digits")
AUTO = ("auto", "digits-mlp", "--data", "digits", "--no-train")


def test_a_budget_is_kept_and_proved(workbench, tmp_path) -> None:
    out = tmp_path / "recipe.json"
    found = workbench(*BUDGET, "--size", "12kB", "--out", str(out), "--json").json
    assert found["status"] == "ok"
    assert found["row"]["size_bytes"] <= 12_000
    assert found["plan"]["gap"] == pytest.approx(0, abs=1e-9)
    assert {each["title"] for each in found["tried"]} == {"plan", "uniform"}
    assert json.loads(out.read_text()) == found["chosen"]


def test_a_budget_in_words(workbench) -> None:
    found = workbench(*BUDGET, "--size", "12kB")
    assert found.code == 0
    assert "points lost (validation)" in found.out
    assert "uniform" in found.out
    assert "File size" in found.out


@pytest.mark.parametrize(
    ("arguments", "code", "sentence"),
    [
        ((), 3, "say what you can afford"),
        (("--size", "much"), 3, "--size must be a number, perhaps with one of the units B, kB"),
        (("--macs", "-5"), 3, "--macs must not be negative, got '-5'"),
        (("--lose", "nan"), 3, "--lose must be a number"),
        (("--size", "10B"), 4, "the smallest file that can be reached takes about"),
        (("--latency", "2ms"), 3, "needs the device"),
        (("--size", "12kB", "--on", "toaster"), 3, "there is no device called 'toaster'"),
        (("--size", "12kB", "--protect", "fc9"), 3, "no layer to protect is called 'fc9'"),
        (("--size", "12kB", "--bits", "4"), 3, "starts from the original"),
    ],
)
def test_what_cannot_be_is_one_sentence(workbench, arguments, code, sentence) -> None:
    found = workbench(*BUDGET, *arguments)
    assert found.code == code
    assert sentence in found.err
    assert "Traceback" not in found.err


def test_auto_says_what_it_did_and_writes_the_file(workbench, tmp_path) -> None:
    out = tmp_path / "net.dsw"
    found = workbench(*AUTO, "--size", "12kB", "--seconds", "1000000", "--out", str(out))
    assert found.code == 0
    assert "- Chosen:" in found.out
    assert 0 < out.stat().st_size <= 12_000


def test_auto_as_json_where_nothing_fits(workbench) -> None:
    found = workbench(*AUTO, "--size", "200B", "--seconds", "1000000", "--json")
    assert found.code == 4
    assert found.json["status"] == "infeasible"
    assert found.json["row"] is None
    assert found.json["attempts"][-1]["title"] == "smallest"
