"""The leaderboard of a class: area by hand and by properties, hostile files, names, and two who submit at once."""

from __future__ import annotations

import dataclasses
import errno
import json
import math
import multiprocessing
import os
import re
import stat
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workbench import class_folder, files, leaderboard, ownership, submissions
from workbench.class_folder import Reader, submit, submitted
from workbench.errors import Refused
from workbench.leaderboard import Board, area, board, submission, together
from workbench.measure._intervals import wilson
from workbench.ownership import own_names, owner
from workbench.recipe import Recipe
from workbench.registry import techniques
from workbench.result import DataRef, Estimate, Job, ModelRef, Result, Status
from workbench.submissions import Point, Submission, clean_name

GROUND = Board(size_bytes=100_000, accuracy=0.95, classes=10)
JOB = Job(model=ModelRef(name="digits-cnn"), data=DataRef(name="digits"))
PRUNE = techniques.get("magnitude")


def accuracy(value, side=0.0):
    low, high = max(0.0, value - side), min(1.0, value + side)
    return Estimate(value=value, low=low, high=high, how="measured", unit="fraction", n=600)


def point(size, value, ratio=0.5, side=0.0):
    recipe = Recipe((PRUNE(ratio=ratio),))
    return Point(key="0" * 32, recipe=recipe, seed=0, size_bytes=size, accuracy=accuracy(value, side))


def of(name, *points, whose="a"):
    return Submission(name=name, owner=whose * 64, model="digits-cnn", data="digits", points=points)


def row(size, value, *, ratio=0.5, **changes):
    job = dataclasses.replace(JOB, recipe=Recipe((PRUNE(ratio=ratio),)))
    estimates = {"accuracy": accuracy(value), "size_bytes": Estimate.counted(size, "bytes")}
    return dataclasses.replace(Result(job=job, key="0" * 32, estimates=estimates, final=True), **changes)


# area


def test_the_area_by_hand():
    """From 100 kB down to 1 kB are two decades: 10 kB is halfway. 0.91 is nine tenths of the way from 0.1 to 1."""
    assert area([10_000], [0.91], GROUND) == pytest.approx(0.5 * 0.9)
    assert area([10_000, 1_000], [0.91, 0.55], GROUND) == pytest.approx(0.5 * 0.9 + 0.5 * 0.5)
    assert area([1_000], [1.0], GROUND) == pytest.approx(1.0)
    assert area([10], [1.0], GROUND) == pytest.approx(1.0), "smaller than the smallest counts as the smallest"
    assert area([100_000], [1.0], GROUND) == area([300_000], [1.0], GROUND) == 0.0
    assert area([1_000], [0.1], GROUND) == area([1_000], [0.02], GROUND) == 0.0, "chance and worse"
    assert area([], [], GROUND) == 0.0


points = st.lists(st.tuples(st.integers(1, 300_000), st.floats(0, 1)), max_size=8)


def covered(found):
    return area([size for size, _ in found], [value for _, value in found], GROUND)


@given(points, st.tuples(st.integers(1, 300_000), st.floats(0, 1)))
def test_a_point_more_never_lowers_the_area(found, new):
    before, after = covered(found), covered([*found, new])
    assert after >= before - 1e-12
    assert 0 <= after <= 1


@given(points.filter(bool), st.integers(0, 100_000), st.floats(0, 1), st.data())
def test_a_point_that_is_beaten_changes_nothing(found, larger, share, data):
    size, value = data.draw(st.sampled_from(found))
    assert covered([*found, (size + larger, share * value)]) == pytest.approx(covered(found), abs=1e-12)


@given(points, st.randoms())
def test_the_order_of_points_changes_nothing(found, random):
    mixed = random.sample(found, len(found))
    assert covered(mixed) == pytest.approx(covered(found), abs=1e-12)


def test_a_ground_without_sense_is_refused():
    for bad in ({"size_bytes": 0}, {"size_bytes": math.nan}, {"classes": 1}, {"accuracy": 2}):
        with pytest.raises(Refused):
            dataclasses.replace(GROUND, **bad)
    with pytest.raises(Refused, match="not measured yet"):
        Board.of(row(1, 0.5, final=False), 10)
    with pytest.raises(Refused, match="no such model"):
        Board.of(row(1, 0.5, status=Status.FAILED, message="no such model"), 10)


# the board


def test_larger_areas_come_first_and_equal_ones_share_a_place():
    ann = of("Ann", point(10_000, 0.91), point(50_000, 0.9))
    places = board([of("Cid", point(10_000, 0.91)), of("Bo", point(1_000, 0.94)), ann], GROUND)
    assert [(p.place, p.submission.name) for p in places] == [(1, "Bo"), (2, "Ann"), (2, "Cid")]
    assert [p.size_bytes for p in places[1].front] == [10_000], "what is beaten is not on the front"
    assert places[0].smallest is not None
    assert places[1].smallest is None, "0.91 loses more than a point"
    assert places[1].best == places[1].front[-1]


def test_the_area_has_its_ends():
    (place,) = board([of("Ann", point(10_000, 0.91, side=0.09))], GROUND)
    assert (place.low, place.high) == (pytest.approx(0.5 * 0.8), pytest.approx(0.5))


def test_what_is_submitted_is_the_front_of_what_is_final_and_no_control(workbench_home):
    control = Recipe((PRUNE(ratio=0.5, score="random"),))
    rows = [
        row(5_000, 0.9, ratio=0.6),
        row(6_000, 0.8),
        row(1_000, 0.99, final=False),
        row(1_000, 0.99, provisional=("a nearer one",)),
        row(1_000, 0.99, status=Status.FAILED),
        row(1_000, 0.99, job=dataclasses.replace(JOB, recipe=control)),
        row(1_000, 0.99, job=JOB),
        row(1_000, 0.99, job=dataclasses.replace(rows_job(), model=ModelRef(name="digits-mlp"))),
    ]
    found = submission("  Ann  Lee ", rows, JOB)
    assert found.name == "Ann Lee"
    assert [(p.size_bytes, p.accuracy.value) for p in found.points] == [(5_000, 0.9)]
    assert found.owner == owner("ann lee")


def rows_job():
    return dataclasses.replace(JOB, recipe=Recipe((PRUNE(ratio=0.5),)))


@pytest.mark.parametrize(
    ("job", "words"),
    [
        (JOB, "nothing to submit yet"),
        (dataclasses.replace(JOB, model=ModelRef(name="user:net.py:make")), "yours alone"),
        (dataclasses.replace(JOB, data=DataRef(name="folder:images")), "yours alone"),
        (dataclasses.replace(JOB, model=ModelRef(name="digits-cnn", checkpoint="w.pt")), "yours alone"),
    ],
)
def test_what_others_could_not_run_is_refused(job, words):
    with pytest.raises(Refused, match=words):
        submission("Ann", [], job)


# names


@pytest.mark.parametrize("name", ["", "  ", "a\0b", "\x1b[31mred", "\u202eevil", "...", "a" * 41, "\ud800"])
def test_names_that_cannot_be_shown_are_refused(name):
    with pytest.raises(Refused):
        clean_name(name)


def test_a_name_may_be_in_any_script_and_hold_signs(tmp_path):
    for name in ("Łucja", "小明", "<b>Bo</b>", "../../etc/passwd", "Ann 🎉", "CON"):
        path = submit(tmp_path, of(clean_name(name), point(1000, 0.9)))
        assert path.parent == tmp_path / "submissions"
    assert len(Reader(tmp_path).read().submissions) == 6


def test_resubmitting_replaces_and_a_name_of_somebody_else_is_refused(tmp_path):
    submit(tmp_path, of("Ann", point(5_000, 0.9)))
    submit(tmp_path, of("Ann", point(4_000, 0.9)))
    for same in ("Ann", "ANN", "Ａnn"):
        with pytest.raises(Refused, match="is taken by somebody else: choose another one"):
            submit(tmp_path, of(same, point(1, 1.0), whose="b"))
    (found,) = Reader(tmp_path).read().submissions
    assert found.points[0].size_bytes == 4_000
    assert len([*(tmp_path / "submissions").iterdir()]) == 1


def test_the_secret_stays_at_home_and_tells_whose_a_name_is(tmp_path, monkeypatch):
    monkeypatch.setenv("WORKBENCH_HOME", str(tmp_path / "one"))
    ours = owner("Ann")
    assert ours == owner("ANN") != owner("Bo")
    secret = tmp_path / "one" / "class-secret"
    assert secret.read_text() not in ours
    if os.name == "posix":
        assert stat.S_IMODE(secret.stat().st_mode) == 0o600
    monkeypatch.setenv("WORKBENCH_HOME", str(tmp_path / "two"))
    assert owner("Ann") != ours
    (tmp_path / "two" / "class-secret").write_text("")
    with pytest.raises(Refused, match="is damaged"):
        owner("Ann")


def test_looking_makes_no_secret_and_reads_it_once(tmp_path, monkeypatch):
    monkeypatch.setenv("WORKBENCH_HOME", str(tmp_path / "home"))
    about = [of(name, point(1, 0.5)) for name in ("Ann", "Bo", "Cid")]
    assert own_names(about) == frozenset()
    assert not (tmp_path / "home").exists()
    about = [dataclasses.replace(each, owner=owner(each.name, "me")) for each in about[:2]] + about[2:]
    read, before = [], ownership._secret
    monkeypatch.setattr(ownership, "_secret", lambda path: read.append(path) or before(path))
    assert own_names(about, "me") == {"Ann", "Bo"}
    assert own_names(about, "you") == frozenset()
    assert len(read) == 2
    (tmp_path / "home" / "class-secret").write_text("short")
    assert own_names(about, "me") == frozenset()


def test_the_interval_is_worked_out_by_whoever_reads(tmp_path):
    submit(tmp_path, of("Ann", point(5_000, 0.5)))
    (found,) = Reader(tmp_path).read().submissions
    told = found.points[0].accuracy
    assert (told.value, told.n) == (0.5, 600)
    assert (told.low, told.high) == wilson(300, 600)


def test_what_was_submitted_before_stays_unless_it_is_beaten(monkeypatch):
    def key(number, made):
        return dataclasses.replace(made, key=str(number) * 32)

    before = of("Ann", key(1, point(1_000, 0.5)), key(2, point(4_000, 0.7)), key(3, point(9_000, 0.9)))
    now = of("Ann", key(3, point(9_500, 0.9)), key(4, point(3_000, 0.8)))
    whole, older = together(now, before)
    assert [(p.size_bytes, p.key[0]) for p in whole.points] == [(1_000, "1"), (3_000, "4"), (9_500, "3")]
    assert older == 1
    assert together(now, None)[1] == 0
    monkeypatch.setattr(leaderboard, "MOST_POINTS", 2)
    assert together(now, before) == (now_sorted(now), 0), "without room the new ones count"


def now_sorted(found):
    return dataclasses.replace(found, points=tuple(sorted(found.points, key=lambda p: p.size_bytes)))


def test_only_the_same_owner_has_submitted_before(tmp_path):
    ann = of("Ann", point(5_000, 0.9))
    assert submitted(tmp_path, ann) is None
    path = submit(tmp_path, ann)
    assert submitted(tmp_path, ann).points[0].size_bytes == 5_000
    assert submitted(tmp_path, of("Ann", point(1, 0.5), whose="b")) is None
    path.write_text("{")
    assert submitted(tmp_path, ann) is None
    path.write_text('{"format": 2}')
    with pytest.raises(Refused, match="please update it"):
        submitted(tmp_path, ann)


NOT_OURS = {
    "a newer format": lambda c: json.dumps({"format": 2, "owner": c["owner"], "else": 1}),
    "a newer format without owner": lambda c: json.dumps({"format": 2}),
    "a step that is not known here": lambda c: json.dumps(c | {"points": [{"step": "of tomorrow"}]}),
    "still empty": lambda c: "",
}


@pytest.mark.parametrize("content", NOT_OURS.values(), ids=NOT_OURS.keys())
def test_what_cannot_be_read_here_may_be_somebodys_and_stays(content, tmp_path):
    path = submit(tmp_path, of("Ann", point(5_000, 0.9)))
    path.write_text(kept := content(json.loads(path.read_text())))
    with pytest.raises(Refused, match=r"cannot be told|is taken by somebody else"):
        submit(tmp_path, of("Ann", point(1, 1.0), whose="b"))
    assert path.read_text() == kept


@pytest.mark.parametrize("number", [errno.EACCES, errno.EIO])
def test_a_file_that_cannot_be_opened_stays(number, tmp_path, monkeypatch):
    path = submit(tmp_path, of("Ann", point(5_000, 0.9)))
    before = os.open

    def failing(name, *options, **more):
        if name == path:
            raise OSError(number, os.strerror(number))
        return before(name, *options, **more)

    monkeypatch.setattr(class_folder.os, "open", failing)
    with pytest.raises(Refused, match=f"cannot be told from .*: {os.strerror(number)}; try again"):
        submit(tmp_path, of("Ann", point(1, 1.0), whose="b"))
    monkeypatch.undo()
    assert Reader(tmp_path).read().submissions[0].owner == "a" * 64


def test_a_broken_file_belongs_to_nobody(tmp_path):
    path = submit(tmp_path, of("Ann", point(5_000, 0.9)))
    for content in ("{", "[]", '{"format": 1}'):
        path.write_text(content)
        submit(tmp_path, of("Ann", point(1, 1.0), whose="b"))
        assert Reader(tmp_path).read().submissions[0].owner == "b" * 64


# files of others


def stored(folder, change):
    """Submit as Ann, and return the file with its JSON changed."""
    path = submit(folder, of("Ann", point(5_000, 0.9)))
    content = json.loads(path.read_text())
    changed = change(content)
    path.write_text(json.dumps(content if changed is None else changed))
    return path


HOSTILE = {
    "an array": lambda _: [],
    "a newer format": lambda c: c.update(format=99),
    "no format": lambda c: c.update(format="1"),
    "a name with commands": lambda c: c.update(name="\x1b[2J"),
    "another name": lambda c: c.update(name="Bo"),
    "a model of a file": lambda c: c.update(model="user:/tmp/evil.py:make"),
    "a folder": lambda c: c.update(data="folder:/etc"),
    "no points": lambda c: c.update(points=[]),
    "many points": lambda c: c.update(points=c["points"] * 201),
    "something else": lambda c: c.update(extra=1),
    "a key of letters": lambda c: c["points"][0].update(key="../x"),
    "a negative size": lambda c: c["points"][0].update(size_bytes=-5),
    "a fraction as size": lambda c: c["points"][0].update(size_bytes=5.5),
    "a size of true": lambda c: c["points"][0].update(size_bytes=True),
    "accuracy above one": lambda c: c["points"][0]["accuracy"].update(value=1.2),
    "an interval of its own": lambda c: c["points"][0]["accuracy"].update(low=0.9, high=0.9),
    "a part of an image": lambda c: c["points"][0]["accuracy"].update(value=0.9001),
    "very many images": lambda c: c["points"][0]["accuracy"].update(value=0.5, n=10**15),
    "not a number": lambda c: c["points"][0]["accuracy"].update(value=math.nan),
    "no images": lambda c: c["points"][0]["accuracy"].update(n=0),
    "a huge seed": lambda c: c["points"][0].update(seed=2**70),
    "an unknown step": lambda c: c["points"][0]["recipe"]["steps"][0].update(step="evil"),
    "a value out of range": lambda c: c["points"][0]["recipe"]["steps"][0].update(ratio=7),
    "very many steps": lambda c: c["points"][0]["recipe"].update(steps=c["points"][0]["recipe"]["steps"] * 101),
}


@pytest.mark.parametrize("change", HOSTILE.values(), ids=HOSTILE.keys())
def test_a_hostile_file_is_named_in_a_sentence_and_the_others_count(change, tmp_path):
    path = stored(tmp_path, change)
    submit(tmp_path, of("Bo", point(5_000, 0.9)))
    found = Reader(tmp_path).read()
    assert [s.name for s in found.submissions] == ["Bo"]
    (problem,) = found.problems
    assert "is left out: " in problem
    assert path.name[:10] in problem
    assert len(problem) < 400
    assert problem.isprintable()


@pytest.mark.parametrize(
    "content", [b"", b"{", b"\xff\xfe", b"[" * 100_000, b"1" * 5_000, b" " * 600_000, b"\x80\x04N."], ids=repr
)
def test_what_is_no_json_or_too_large_is_left_out(content, tmp_path):
    submit(tmp_path, of("Bo", point(5_000, 0.9)))
    (tmp_path / "submissions" / "x.json").write_bytes(content)
    found = Reader(tmp_path).read()
    assert len(found.submissions) == len(found.problems) == 1


@pytest.mark.skipif(os.name != "posix", reason="links and pipes of POSIX")
def test_links_pipes_and_folders_are_left_out_and_nothing_is_written_through_them(tmp_path):
    mine = tmp_path / "precious"
    mine.write_text("mine")
    ann = of("Ann", point(5_000, 0.9))
    place = tmp_path / "submissions"
    place.mkdir()
    (place / ann.file).symlink_to(mine)
    os.mkfifo(place / "pipe.json")
    (place / "folder.json").mkdir()
    assert len(Reader(tmp_path).read().problems) == 3
    submit(tmp_path, ann)
    assert mine.read_text() == "mine"
    assert [s.name for s in Reader(tmp_path).read().submissions] == ["Ann"]


def test_a_copy_under_another_name_is_left_out(tmp_path):
    path = submit(tmp_path, of("Ann", point(5_000, 0.9)))
    path.with_name("copy.json").write_bytes(path.read_bytes())
    found = Reader(tmp_path).read()
    assert len(found.submissions) == 1
    assert "copied or renamed" in found.problems[0]


def test_a_flood_of_files_is_cut_off(tmp_path, monkeypatch):
    monkeypatch.setattr(class_folder, "MOST_FILES", 3)
    for name in "abcde":
        submit(tmp_path, of(name, point(5_000, 0.9)))
    found = Reader(tmp_path).read()
    assert len(found.submissions) == 3
    assert "holds more than 3 files" in found.problems[-1]


def test_what_is_read_is_bounded_and_the_largest_are_left_out(tmp_path, monkeypatch):
    for name in ("Ann", "Bo", "Cid"):
        submit(tmp_path, of(name, *(point(1_000 + n, 0.5) for n in range(20 if name == "Ann" else 1))))
    monkeypatch.setattr(class_folder, "MOST_TOTAL", 2_000)
    found = Reader(tmp_path).read()
    assert {s.name for s in found.submissions} == {"Bo", "Cid"}
    assert found.problems == ("the folder holds more than 2,000 bytes: the largest file is not read",)


def test_only_changed_files_are_read_again(tmp_path, monkeypatch):
    submit(tmp_path, of("Ann", point(5_000, 0.9)))
    path = submit(tmp_path, of("Bo", point(5_000, 0.9)))
    reader, read = Reader(tmp_path), []
    before = class_folder._checked
    monkeypatch.setattr(class_folder, "_checked", lambda path: read.append(path) or before(path))
    first = reader.read()
    assert reader.read() == first
    assert len(read) == 2
    submit(tmp_path, of("Bo", point(4_000, 0.9)))
    reader.read()
    assert len([p for p in read if p == path]) >= 2
    path.unlink()
    assert [s.name for s in reader.read().submissions] == ["Ann"]


def test_a_folder_that_is_not_there_is_empty_and_one_that_cannot_be_used_says_so(tmp_path, monkeypatch):
    assert Reader(tmp_path / "none").read().submissions == ()
    (tmp_path / "file").write_text("")
    with pytest.raises(Refused, match="cannot be read"):
        Reader(tmp_path / "file").read()
    with pytest.raises(Refused, match="cannot be made"):
        submit(tmp_path / "file", of("Ann", point(1, 0.5)))

    def denied(*_, **__):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(files.tempfile, "NamedTemporaryFile", denied)
    with pytest.raises(Refused, match="cannot be written: Permission denied"):
        submit(tmp_path, of("Ann", point(1, 0.5)))
    monkeypatch.setattr(class_folder.os, "scandir", denied)
    with pytest.raises(Refused, match="Permission denied; whoever set up this folder of a class can change that"):
        Reader(tmp_path).read()


@pytest.mark.skipif(os.name != "posix" or os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_without_permission_says_so(tmp_path):
    (tmp_path / "submissions").mkdir(mode=0o555)
    with pytest.raises(Refused, match="Permission denied"):
        submit(tmp_path, of("Ann", point(1, 0.5)))


# two at once


def _many(folder, whose, gate, told):
    gate.wait()
    for number in range(60):
        try:
            submit(Path(folder), of(f"N{number}", *(point(1000 + n, 0.5) for n in range(20)), whose=whose))
        except Refused as refusal:
            told.put((number, str(refusal)))
    told.put((-1, ""))


def test_of_two_processes_that_submit_one_name_at_once_one_gets_it(tmp_path):
    context = multiprocessing.get_context("spawn")
    gate, told = context.Barrier(3), context.Queue()
    both = [context.Process(target=_many, args=(str(tmp_path), whose, gate, told)) for whose in "ab"]
    for process in both:
        process.start()
    gate.wait(120)
    refused, ended, reader = [], 0, Reader(tmp_path)
    while ended < 2:
        number, sentence = told.get(timeout=120)
        ended += number < 0
        if number >= 0:
            refused.append(number)
            assert "is taken by somebody else" in sentence
        assert reader.read().problems == (), "a reader sees no half of a file"
    for process in both:
        process.join(60)
        assert process.exitcode == 0
    found = Reader(tmp_path).read()
    assert sorted(refused) == list(range(60)), "each name was refused to one of the two"
    assert len(found.submissions) == 60
    assert not [path for path in (tmp_path / "submissions").iterdir() if path.name.startswith(".")]


def test_without_hard_links_one_gets_a_new_name_all_the_same(tmp_path, monkeypatch):
    def unsupported(*_):
        raise OSError(95, "Operation not supported")

    monkeypatch.setattr(Path, "hardlink_to", unsupported)
    submit(tmp_path, of("Ann", point(5_000, 0.9)))
    with pytest.raises(Refused, match="is taken"):
        submit(tmp_path, of("Ann", point(4_000, 0.9), whose="b"))
    assert Reader(tmp_path).read().submissions[0].points[0].size_bytes == 5_000


@pytest.mark.parametrize("module", [class_folder, ownership, submissions], ids=lambda module: module.__name__)
def test_the_modules_read_nothing_but_json(module):
    source = Path(module.__file__).read_text()
    assert not re.search(r"pickle|eval\(|exec\(|torch", source)
    assert "torch" in sys.modules
