"""Recipes on the command line: options made from the registry, and files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click
import pytest

from workbench.cli.exits import Exit
from workbench.cli.recipes import RecipeCommand
from workbench.recipe import Recipe
from workbench.registry import techniques

DIGITS = ("digits-mlp", "--data", "digits")
PROMISED = {
    *("status", "message", "model", "data", "recipe", "accuracy", "accuracy_low", "accuracy_high", "images"),
    *("size_bytes", "parameters", "nonzeros", "macs", "peak_memory"),
}


def recipe_of(workbench, rows, *arguments: str) -> list[dict[str, Any]]:
    asked = rows()
    outcome = workbench("run", *DIGITS, *arguments, "--json")
    assert outcome.code == Exit.OK, outcome.err
    return asked[-1].recipe.to_dict()["steps"]


def test_options_of_one_technique_make_one_step(workbench, rows) -> None:
    (step,) = recipe_of(workbench, rows, "--magnitude", "scope=layer,score=magnitude", "--prune", "0.25")
    assert (step["ratio"], step["scope"], step["score"]) == (0.25, "layer", "magnitude")


def test_a_value_alone_is_for_the_first_field(workbench, rows) -> None:
    (step,) = recipe_of(workbench, rows, "--weight-bits", "3,symmetric=false")
    assert (step["bits"], step["symmetric"]) == (3, False)
    (step,) = recipe_of(workbench, rows, "--channels", "0.25")  # its short form has the name of the technique itself
    assert (step["step"], step["ratio"]) == ("channels", 0.25)


def test_a_technique_by_its_name_alone_has_its_defaults(workbench, rows) -> None:
    (step,) = recipe_of(workbench, rows, "--weight-bits")
    assert step == techniques.get("weight_bits")().to_dict()


def test_options_are_sorted_and_come_after_the_file(workbench, rows, tmp_path: Path) -> None:
    file = tmp_path / "r.json"
    file.write_text(Recipe((techniques.get("weight_bits")(bits=5),)).to_json())
    steps = recipe_of(workbench, rows, "--bits", "2", "--recipe", str(file), "--prune", "0.5")
    assert [step["step"] for step in steps] == ["weight_bits", "magnitude", "weight_bits"]
    assert [step.get("bits") for step in steps] == [5, None, 2]


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("--prune", "2"), "got 2.0"),
        (("--prune", "many"), "'many'"),
        (("--bits", "0"), "got '0'"),
        (("--magnitude", "ratio=0.5", "--prune", "0.5"), "magnitude.ratio is given twice"),
        (("--magnitude", "0.5", "--prune", "0.5"), "magnitude.ratio is given twice"),
        (("--magnitude", "colour=red"), "'colour=red'"),
        (("--magnitude", "red"), "'red'"),
        (("--recipe", "missing.json"), "the recipe missing.json cannot be read: No such file or directory"),
    ],
)
def test_a_refused_recipe_is_one_sentence(workbench, arguments: tuple[str, ...], sentence: str) -> None:
    outcome = workbench("run", *DIGITS, *arguments, "--json")
    assert outcome.code == Exit.REFUSED
    assert sentence in outcome.err
    assert len(outcome.err.splitlines()) == 1
    assert set(outcome.json) >= PROMISED
    assert outcome.json["status"] == "failed"
    assert sentence in outcome.json["message"]


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"{", "not JSON"),
        (b"\xff\xfe", "cannot be read: it is not text in UTF-8"),
        (b'{"format": 99, "steps": []}', "format 99"),
        (b'{"format": 1, "steps": [{"step": "squeeze"}]}', "'squeeze'"),
    ],
)
def test_a_bad_recipe_file_is_one_sentence(workbench, tmp_path: Path, content: bytes, sentence: str) -> None:
    file = tmp_path / "r.json"
    file.write_bytes(content)
    outcome = workbench("run", *DIGITS, "--recipe", str(file))
    assert (outcome.code, outcome.out) == (Exit.REFUSED, "")
    assert sentence in outcome.err
    assert str(file) in outcome.err


def test_two_techniques_cannot_have_one_option(monkeypatch) -> None:
    other = techniques.get("weight_bits")
    monkeypatch.setattr(other, "flags", {"seed": "bits"})
    command = RecipeCommand("run", params=[click.Option(["--seed"])])
    with pytest.raises(TypeError, match="--seed, which is taken"):
        command.get_params(click.Context(command))
