"""Recipes that come with the workbench."""

from __future__ import annotations

from pathlib import Path

import pytest

from workbench.cli import shipped
from workbench.cli.exits import Exit
from workbench.errors import Refused
from workbench.recipe import Recipe
from workbench.registry import models, techniques

DIGITS = ("digits-mlp", "--data", "digits")


def test_every_shipped_recipe_is_for_a_model_that_there_is() -> None:
    known = shipped.shipped()
    assert {("deep-compression", "lenet-300-100"), ("deep-compression", "lenet5")} <= {item[:2] for item in known}
    for item in known:
        assert item.recipe.steps
        assert not item.model or models.get(item.model)


def test_a_name_is_what_cannot_be_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine").write_text("{}")
    (tmp_path / "folder").mkdir()
    assert shipped.is_name("deep-compression")
    assert not any(map(shipped.is_name, ("-", "r.json", "folder/r", "./deep-compression", "mine", "folder")))


def test_the_recipe_of_the_model_comes_before_that_of_any(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shipped, "_FOLDER", tmp_path)
    prune, bits = Recipe((techniques.get("magnitude")(),)), Recipe((techniques.get("weight_bits")(),))
    (tmp_path / "small.json").write_text(prune.to_json())
    (tmp_path / "small.lenet5.json").write_text(bits.to_json())
    (tmp_path / "own.lenet5.json").write_text(bits.to_json())
    assert shipped.find("small", "lenet5") == bits
    assert shipped.find("small", "resnet20") == prune
    with pytest.raises(Refused, match="own is for lenet5, not for resnet20"):
        shipped.find("own", "resnet20")
    with pytest.raises(Refused, match=r"no recipe called 'big'.*\(own, small\)"):
        shipped.find("big", "lenet5")


def test_run_takes_a_recipe_by_its_name(workbench, rows) -> None:
    asked = rows()
    outcome = workbench("run", "lenet5", "--data", "mnist", "--recipe", "deep-compression", "--json")
    assert outcome.code == Exit.OK
    assert asked[-1].recipe == shipped.find("deep-compression", "lenet5")


@pytest.mark.parametrize(
    ("name", "sentence"), [("deep-compression", "not for digits-mlp"), ("squeeze", "no recipe called 'squeeze'")]
)
def test_a_name_that_does_not_fit_is_one_sentence(workbench, name: str, sentence: str) -> None:
    outcome = workbench("run", *DIGITS, "--recipe", name)
    assert (outcome.code, outcome.out) == (Exit.REFUSED, "")
    assert sentence in outcome.err
    assert len(outcome.err.splitlines()) == 1
