"""Links on the command line: made by one command, taken by another."""

from __future__ import annotations

import pytest

from workbench.cli.exits import Exit
from workbench.link import fragment, read
from workbench.recipe import Recipe
from workbench.registry import techniques
from workbench.result import DataRef, Job, ModelRef

ASKED = Job(
    model=ModelRef(name="digits-mlp"),
    data=DataRef(name="digits"),
    recipe=Recipe((techniques.get("weight_bits")(bits=4),)),
    seed=3,
)


def test_a_link_is_printed_without_measuring(workbench):
    outcome = workbench("run", "digits-mlp", "--data", "digits", "--bits", "4", "--seed", "3", "--link")
    assert outcome.code == Exit.OK
    assert outcome.out.strip() == fragment(ASKED)
    assert read(outcome.out) == ASKED


def test_a_link_is_a_recipe_with_its_model_its_data_and_its_seed(workbench):
    outcome = workbench("run", "--recipe", f"https://example.org/{fragment(ASKED)}", "--json")
    assert outcome.code == Exit.OK
    row = outcome.json
    assert (row["model"], row["data"], row["status"]) == ("digits-mlp", "digits", "ok")
    assert row["recipe"] == ASKED.recipe.to_dict()


@pytest.mark.parametrize(
    ("more", "words"),
    [
        (("lenet5",), "the link is of digits-mlp, got MODEL lenet5"),
        (("--data", "mnist"), "the link is of digits, got --data mnist"),
        (("--bits", "3"), "leave the options of techniques out"),
        (("--checkpoint", "net.pt"), "leave their options out"),
    ],
)
def test_what_contradicts_a_link_is_refused(workbench, more, words):
    outcome = workbench("run", *more, "--recipe", fragment(ASKED))
    assert outcome.code == Exit.REFUSED
    assert words in outcome.err


def test_a_broken_link_is_refused(workbench):
    outcome = workbench("run", "--recipe", fragment(ASKED)[:-6])
    assert outcome.code == Exit.REFUSED
    assert "the end of this link is missing" in outcome.err


def test_a_network_of_the_persons_own_makes_no_link(workbench, tmp_path):
    outcome = workbench("run", f"user:{tmp_path}/net.py:build", "--data", "digits", "--link")
    assert outcome.code == Exit.REFUSED
    assert "share the recipe file instead" in outcome.err
