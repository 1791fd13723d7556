"""Exercises that are checked on the spot: what a person may type, what the sliders show, and the files of lessons."""

from __future__ import annotations

import time

import pytest

from widgets.exercises import FOLDER, Number, OneOf, Reach, exercise, lesson_file, numbers, recipe_of, shown
from widgets.lesson import Lesson
from widgets.panels.check import Check
from widgets.panels.recipe import RecipePanel
from widgets.state import AppState
from workbench.errors import Refused
from workbench.recipe import Recipe
from workbench.registry import techniques
from workbench.result import DataRef, Estimate, Job, ModelRef, Result
from workbench.run import run

BITS, MAGNITUDE = techniques.get("weight_bits"), techniques.get("magnitude")

HOSTILE = [
    "", "   ", None, "four", "<img src=x onerror=alert(1)>", "1/0", "nan", "inf", "1e999", "-1e9999", "9" * 10_000,
    "9" * 39, "2**9999", "__import__('os')", "1.2.3", "12 kg", "٤٢", "\x00", "1,2,3.4.5", "e5", "-", ".", ",", "1e", [],
    object(), 4, 4.0, True,
]  # fmt: skip


def row(*steps, size=20_000.0, accuracy=0.985, final=True):
    estimates = {
        "accuracy": Estimate(
            value=accuracy, low=accuracy - 0.01, high=accuracy + 0.01, n=600, unit="fraction", how="measured"
        ),
        "size_bytes": Estimate.counted(size, "bytes"),
    }
    job = Job(model=ModelRef(name="m"), data=DataRef(name="d"), recipe=Recipe(steps))
    return Result(job=job, key="k", estimates=estimates, final=final)


BASE = row(size=100_000.0, accuracy=0.99)


def until(condition, seconds=60.0):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.01)


@pytest.mark.parametrize(
    ("text", "unit", "values"),
    [
        ("4", "", {4}),
        (" 12.5 ", "", {12.5}),
        ("12,5", "", {12.5, 125}),
        ("1,797", "", {1797, 1.797}),
        ("1 797", "", {1797}),
        ("1,234,567", "", {1234567}),
        ("−0.5", "", {-0.5}),
        (".5", "", {0.5}),
        ("98.3 %", "%", {98.3}),
        ("98.3 percent", "%", {98.3}),
        ("20 kB", "kB", {20}),
        ("2e3", "", {2000}),
    ],
)
def test_numbers_are_read_as_people_write_them(text, unit, values):
    assert sorted(numbers(text, unit)) == pytest.approx(sorted(values))


@pytest.mark.parametrize("text", HOSTILE)
def test_whatever_is_typed_gets_a_sentence(text):
    for found in (
        Number(question="?", hint="Think.", answer=42),
        Number(question="?", hint="Think.", measured="size_bytes_ratio", within=0.1),
        OneOf(question="?", hint="Think.", options=("a", "b"), answer="a"),
        Reach(question="?", hint="Think.", at_most={"size_bytes": 10}),
    ):
        for baseline, now in ((BASE, row()), (None, None), (BASE, row(final=False))):
            verdict = found.judge(text, baseline, now)
            assert not verdict.right
            assert verdict.sentence.endswith((".", ". Think."))


def test_a_number_is_right_within_its_margin_and_the_hint_does_not_tell_it():
    found = Number(question="?", hint="Count the bits.", answer=4, within=0.5, right="Eight bits are a byte.")
    assert found.judge("4.5", None, None).right
    assert found.judge("4", None, None).sentence == "Right. Eight bits are a byte."
    assert found.judge("4.6", None, None).sentence == "Not yet. Count the bits."


def test_what_is_measured_now_is_the_answer():
    ratio = Number(question="?", hint="Look.", measured="size_bytes_ratio", within=0.1)
    assert ratio.judge("5", BASE, row()).right
    assert not ratio.judge("5", BASE, row(size=30_000.0)).right
    assert Number(question="?", hint="Look.", measured="accuracy", within=0.1).judge("98.5 %", BASE, row()).right is (
        False
    ), "a unit that was not asked for is not taken in silence"
    assert Number(question="?", hint="", measured="accuracy", within=0.1, unit="%").judge("98.5 %", BASE, row()).right
    assert "no such number" in Number(question="?", hint="", measured="joy").judge("1", BASE, row()).sentence
    assert shown("size_bytes", BASE, row()) == 20_000


def test_the_sliders_have_to_be_where_the_question_says():
    found = exercise({"question": "?", "hint": "", "answer": 4, "steps": {"weight_bits": {"bits": 4}}})
    assert "weight bits on, bits 4" in found.judge("4", BASE, row()).sentence
    assert "weight bits on, bits 4" in found.judge("4", BASE, row(BITS(bits=8))).sentence
    assert found.judge("4", BASE, row(BITS(bits=4))).right
    share = exercise({"question": "?", "hint": "", "answer": 4, "steps": {"magnitude": {"ratio": 0.8}}})
    assert "weight pruning on, ratio 80 %" in share.judge("4", BASE, row()).sentence


def test_limits_say_what_is_missing_with_the_interval():
    found = Reach(question="?", hint="Drag.", at_least={"accuracy": 0.98}, at_most={"size_bytes": 20_000})
    assert found.judge(None, BASE, row()).right
    verdict = found.judge(None, BASE, row(size=25_000.0, accuracy=0.975))
    assert not verdict.right
    assert "Accuracy: 97.5 % (96.5 to 98.5 %, 600 images), at least 98.0 % is asked for." in verdict.sentence
    assert "File size: 25 kB, at most 20 kB is asked for." in verdict.sentence


@pytest.mark.parametrize(
    "fields",
    [
        {"question": "?", "hint": ""},
        {"question": "?", "hint": "", "answer": 4, "measured": "accuracy"},
        {"question": "?", "hint": "", "options": ["a"], "answer": "b"},
        {"question": "?", "hint": "", "answer": 4, "steps": {"weight_bits": {"bits": 99}}},
        {"question": "?", "hint": "", "answer": 4, "steps": {"magic": {}}},
    ],
)
def test_a_broken_exercise_is_refused(fields):
    with pytest.raises(Refused):
        exercise(fields)


def test_a_lesson_that_is_not_there_or_cannot_be_read_is_refused(tmp_path):
    (tmp_path / "99-x.toml").write_text("[a\n")
    (tmp_path / "98-x.toml").write_text('[a]\nquestion = "?"\nhint = ""\nanswer = 1\nfoo = 2\n')
    with pytest.raises(Refused, match="there are: 98-x, 99-x"):
        lesson_file("97-x", tmp_path)
    for name in ("98-x", "99-x"):
        with pytest.raises(Refused, match="cannot be used"):
            lesson_file(name, tmp_path)


@pytest.mark.parametrize("path", sorted(FOLDER.glob("*.toml")), ids=lambda path: path.stem)
def test_the_file_of_each_lesson_can_be_read(path):
    file = lesson_file(path.stem)
    assert len(file.exercises) >= 2
    for found in file.exercises.values():
        assert found.question
        assert found.hint
        assert found.right


@pytest.mark.parametrize(
    "path",
    [
        pytest.param(path, marks=[] if path.stem.startswith("02") else [pytest.mark.slow])
        for path in sorted(FOLDER.glob("*.toml"))
    ],
    ids=lambda path: path.stem,
)
def test_what_sliders_have_to_reach_can_be_reached_and_is_not_there_from_the_start(path):
    file = lesson_file(path.stem)
    for found in file.exercises.values():
        if isinstance(found, Reach):
            baseline, start, solved = (
                [*run(Job(model=ModelRef(name=file.model), data=DataRef(name=file.data), recipe=recipe))][-1]
                for recipe in (Recipe(), file.start, recipe_of(found.solution))
            )
            verdict = found.judge(None, baseline, solved)
            assert verdict.right, verdict.sentence
            assert not found.judge(None, baseline, start).right


# the panel, with the real engine


@pytest.fixture(scope="module")
def lesson():
    found = Lesson("01-why-smaller")
    found.play("weight_bits")
    until(lambda: not found.state.busy)
    return found


def test_a_wrong_answer_gets_a_hint_and_a_right_one_a_word(lesson):
    check = lesson.check("weights")
    assert 'role="status"' in check.told.value
    for text in HOSTILE:
        check.answer.value = text if isinstance(text, str) else str(text)
        check.go.click()
        assert "<img" not in check.told.value
        assert "dsw-right" not in check.told.value
    check.answer.value = "41"
    assert "Not yet. Parameters times 4 bytes" in check.told.value
    check.answer.value = "164.3"
    assert "Right." in check.told.value
    assert check.answer.description == "Your answer (kB)"
    assert "dsw-given" in check.answer._dom_classes, "the label is as wide as its words"


def test_exercises_are_numbered_under_the_one_heading_of_the_lesson(lesson):
    headings = [lesson.check(name).heading.value for name in lesson_file(lesson.name).exercises]
    assert headings == ["<h2>Exercise 1</h2>", "<h2>Exercise 2</h2>", "<h2>Exercise 3</h2>"]


def test_nothing_said_takes_no_room(lesson):
    assert lesson.check("weights").told.value == '<p role="status"></p>'


def test_no_choice_is_made_for_the_student(lesson):
    check = lesson.check("interval")
    assert check.answer.value is None
    check.go.click()
    assert "Pick one" in check.told.value
    check.answer.value = check.exercise.answer
    check.go.click()
    assert "Right." in check.told.value


def test_an_answer_waits_for_the_measurement_and_is_taken_back_when_the_sliders_move(lesson):
    check = lesson.check("ratio")
    check.answer.value = "5"
    assert "do not show this yet" in check.told.value
    lesson.state.put(recipe=Recipe((BITS(bits=4),)))
    assert "do not show this yet" not in check.told.value
    check.go.click()
    until(lambda: "Not yet" in check.told.value)
    wanted = shown("size_bytes_ratio", lesson.state.baseline, lesson.state.current)
    check.answer.value = f"{wanted:.1f}"
    until(lambda: "Right." in check.told.value)
    lesson.state.put(recipe=Recipe())
    assert "Right." not in check.told.value


def test_an_exercise_that_is_not_there_is_a_sentence():
    state = AppState()
    for lesson, name in (("01-why-smaller", "<b>"), ("nowhere", "x")):
        shown = " ".join(child.value for child in Check(lesson, name, state)._inside.children)
        assert "there" in shown or "has no exercise" in shown
        assert "<b>" not in shown


def test_cells_in_any_order_and_twice_share_one_state():
    assert Lesson("01-why-smaller").state is Lesson("01-why-smaller").state
    with pytest.raises(Refused, match="there are"):
        Lesson("00-nothing")
    with pytest.raises(Refused, match="no panel"):
        Lesson("01-why-smaller").play(panels=("nothing",))


def test_sliders_of_some_techniques_leave_the_other_steps_alone():
    prune = MAGNITUDE(ratio=0.5, method="mask")
    state = AppState(recipe=Recipe((prune,)))
    panel = RecipePanel(state, only=("weight_bits",))
    assert list(panel.forms) == ["weight_bits"]
    assert "no sliders for that here" in panel._extra.value
    panel.forms["weight_bits"].on.value = True
    assert [step.name for step in state.recipe.steps] == ["magnitude", "weight_bits"]
    with pytest.raises(Refused):
        RecipePanel(state, only=("magic",))
