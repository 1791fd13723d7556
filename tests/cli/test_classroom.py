"""`workbench class`: the board is printed, recipes are run again, and positions are prepared where all find them."""

from __future__ import annotations

import dataclasses
import json

import pytest
import safetensors.torch
import torch

from workbench import preparing
from workbench.class_folder import submit
from workbench.recheck import IMAGES_WITHIN, Outcome, compared, recheck
from workbench.recipe import Recipe
from workbench.registry import techniques
from workbench.result import DataRef, Estimate, Job, ModelRef
from workbench.run import run
from workbench.submissions import Point, Submission

PLAIN = Recipe((techniques.get("magnitude")(ratio=0.5, method="mask", score="magnitude"),))
JOB = Job(model=ModelRef(name="digits-mlp"), data=DataRef(name="digits"), recipe=PLAIN)
ABOUT = ("--model", "digits-mlp", "--data", "digits")


def measured():
    *_, row = run(JOB)
    return row


def point(row, **changes):
    about = {
        "key": row.key,
        "recipe": row.job.recipe,
        "seed": 0,
        "size_bytes": int(row.estimates["size_bytes"].value),
        "accuracy": row.estimates["accuracy"],
    }
    return Point(**(about | changes))


def of(name, *points):
    return Submission(name=name, owner="a" * 64, model="digits-mlp", data="digits", points=points)


def accuracy(value):
    return Estimate(value=value, low=value, high=value, how="measured", unit="fraction", n=600)


def test_the_board_is_printed_and_bad_files_are_named(workbench, tmp_path):
    row = measured()
    submit(tmp_path, of("Ann", point(row)))
    submit(tmp_path, of("Bo", point(row, size_bytes=5, accuracy=accuracy(0.2))))
    submit(tmp_path, dataclasses.replace(of("Cid", point(row)), model="digits-cnn"))
    (tmp_path / "submissions" / "x\x1b[2J.json").write_text("junk")
    done = workbench("class", "show", str(tmp_path), *ABOUT)
    assert done.code == 0
    lines = done.out.splitlines()
    assert lines[0].split()[:2] == ["name", "area"]
    assert lines[1].split()[:2] == ["1", "Ann"]
    assert lines[2].split()[:2] == ["2", "Bo"]
    assert "Cid" not in done.out
    assert "there are also submissions about digits-cnn on digits" in done.out
    assert "is left out: it is not JSON" in done.out
    assert "\x1b" not in done.out

    found = workbench("class", "show", str(tmp_path), *ABOUT, "--json").json
    assert [(place["place"], place["name"]) for place in found["places"]] == [(1, "Ann"), (2, "Bo")]
    assert 0 < found["places"][1]["area"] < found["places"][0]["area"] < 1


def test_an_empty_board_and_a_missing_folder(workbench, tmp_path):
    done = workbench("class", "show", str(tmp_path), *ABOUT)
    assert (done.code, done.out) == (0, "nobody has submitted anything about digits-mlp on digits\n")
    done = workbench("class", "show", str(tmp_path / "none"), *ABOUT)
    assert done.code == 3
    assert "there is no folder" in done.err


def test_made_up_numbers_do_not_reproduce(workbench, tmp_path):
    row = measured()
    submit(tmp_path, of("Ann", point(row)))
    done = workbench("class", "check", str(tmp_path), *ABOUT)
    assert done.code == 0
    assert done.out.startswith("same    Ann: weight pruning")

    submit(tmp_path, of("Eve", point(row, size_bytes=99), point(row)))
    done = workbench("class", "check", str(tmp_path), *ABOUT)
    assert done.code == 3
    assert "differs Eve: " in done.out
    assert "not reproduced: 1 of Eve" in done.err
    assert workbench("class", "check", str(tmp_path), *ABOUT, "--name", "Ann").code == 0
    assert "there is no submission of 'Zoe'" in workbench("class", "check", str(tmp_path), *ABOUT, "--name", "Zoe").err


def test_verdicts_by_how_far_numbers_are_apart():
    row = measured()
    size, value = row.estimates["size_bytes"].value, row.estimates["accuracy"].value
    for changes, outcome in (
        ({}, Outcome.SAME),
        ({"accuracy": accuracy(value - 2 / 600)}, Outcome.CLOSE),
        ({"accuracy": accuracy(value - 4 / 600)}, Outcome.DIFFERS),
        ({"accuracy": dataclasses.replace(accuracy(value), n=1200)}, Outcome.DIFFERS),
        ({"size_bytes": int(0.995 * size)}, Outcome.CLOSE),
        ({"size_bytes": int(0.98 * size)}, Outcome.DIFFERS),
    ):
        assert compared(of("A", point(row)), point(row, **changes), row).outcome is outcome
    told = compared(of("A", point(row)), point(row, key="0" * 32), row)
    assert told.sentence.endswith("measured by another version, device or original")
    auto = Recipe((techniques.get("magnitude")(ratio=0.5),))
    assert (
        "may have other winners" in compared(of("A", point(row)), point(row, recipe=auto, size_bytes=9), row).sentence
    )
    assert "may have other winners" not in compared(of("A", point(row)), point(row, size_bytes=9), row).sentence


def test_a_few_images_may_differ_however_many_there_are():
    row = measured()
    many = dataclasses.replace(accuracy(0.9), n=10_000)
    row = dataclasses.replace(row, estimates=row.estimates | {"accuracy": many})
    for images, outcome in ((IMAGES_WITHIN, Outcome.CLOSE), (50, Outcome.DIFFERS)):
        said = dataclasses.replace(many, value=0.9 + images / 10_000)
        assert compared(of("A", point(row)), point(row, accuracy=said), row).outcome is outcome


def test_what_trains_is_skipped_and_what_cannot_run_failed():
    row = measured()
    trained = Recipe((techniques.get("finetune")(),))
    (verdict,) = recheck([of("A", point(row, recipe=trained))])
    assert verdict.outcome is Outcome.SKIPPED
    (verdict,) = recheck([dataclasses.replace(of("A", point(row)), model="no-such-model")])
    assert (verdict.outcome, verdict.reproduces) == (Outcome.FAILED, False)


@pytest.mark.parametrize("lesson", preparing.lessons())
def test_every_lesson_has_positions_to_prepare(lesson):
    found = preparing.grid(lesson)
    assert found.recipes
    assert len(set(found.recipes)) == len(found.recipes)
    assert not any(recipe.trains for recipe in found.recipes)


def test_the_positions_of_a_lesson_are_those_of_its_sliders():
    found = preparing.grid("02-pruning")
    ratios = {
        s.ratio for recipe in found.recipes for s in recipe.steps if s.name == "magnitude" and s.method == "rounds"
    }
    assert {*techniques.get("magnitude").positions} <= ratios
    assert any(
        (step.method, step.score, step.ratio) == ("rounds", "magnitude", 0.9)
        for recipe in found.recipes
        for step in recipe.steps
        if step.name == "magnitude"
    ), "who goes on from where the lesson begins keeps the score"


def test_preparing_fills_a_folder_and_kernels_read_it(workbench, tmp_path, monkeypatch):
    """One recipe of one lesson, solved for the class; another home then has it without solving."""
    wanted = Recipe((techniques.get("weight_bits")(bits=2),))
    base = Job(model=ModelRef(name="digits-mlp"), data=DataRef(name="digits"), seed=5)
    monkeypatch.setattr(preparing, "grid", lambda name: preparing.Grid(lesson=name, base=base, recipes=(wanted,)))
    folder = tmp_path / "class"
    done = workbench("class", "prepare", "3", "--folder", str(folder))
    assert done.code == 0, done.err
    assert "1 position of 1 lesson: " in done.out
    kept = sorted(path.suffix for path in (folder / "traces").iterdir())
    assert kept.count(".safetensors") >= 1
    assert json.loads((folder / "traces" / "about.json").read_text())["workbench"]

    monkeypatch.setenv("WORKBENCH_CLASS", str(folder))
    monkeypatch.setenv("WORKBENCH_HOME", str(tmp_path / "student"))
    from workbench.run import _prepared

    _prepared._values.clear()
    first = next(run(dataclasses.replace(base, recipe=wanted), quick=True))
    assert first.provisional == ()
    assert not (tmp_path / "student" / "traces").exists(), "nothing was solved"
    _prepared._values.clear()

    # what somebody has put in the place of a position is solved, and written over, and links to nowhere do no harm
    made_up = safetensors.torch.save({"x": torch.ones(1)}, {"about": '{"plain": ["x"], "forms": {}, "notes": []}'})
    for path in (folder / "traces").glob("*.safetensors"):
        path.write_bytes(made_up)
    (folder / "traces" / "nowhere").symlink_to(tmp_path / "missing")
    done = workbench("class", "prepare", "3", "--folder", str(folder))
    assert done.code == 0, done.err
    now = [path.read_bytes() != made_up for path in (folder / "traces").glob("*.safetensors")]
    assert sum(now) == 1, "the one that won its contest, which is not held again"


def test_a_folder_that_cannot_be_written_and_a_lesson_that_is_not_there(workbench, tmp_path):
    (tmp_path / "file").write_text("")
    done = workbench("class", "prepare", "1", "--folder", str(tmp_path / "file" / "class"))
    assert done.code == 3
    assert "cannot be made" in done.err
    done = workbench("class", "prepare", "77")
    assert done.code == 3
    assert "there is no lesson '77'" in done.err
