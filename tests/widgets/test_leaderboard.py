"""The leaderboard panel without a browser: submit, see others, try their recipe; nothing is read while it is folded."""

from __future__ import annotations

import contextlib
import dataclasses
import math
import time

import pytest

from widgets.bridge import connect
from widgets.bridge.leaderboard import _without_paths
from widgets.figures.leaderboard import draw_, leaderboard_figure, leaderboard_info
from widgets.panels.leaderboard import LeaderboardPanel, cells, problems_html
from widgets.state import AppState
from workbench.class_folder import submit
from workbench.leaderboard import Board, board
from workbench.link import read
from workbench.recipe import Recipe
from workbench.registry import techniques
from workbench.result import Estimate
from workbench.store import Store
from workbench.submissions import Point, Submission

PRUNE = techniques.get("magnitude")
HALF = Recipe((PRUNE(ratio=0.5, method="mask", score="magnitude"),))
OTHER = Recipe((PRUNE(ratio=0.7, method="mask", score="magnitude"),))
GROUND = Board(size_bytes=100_000, accuracy=0.95, classes=10)


def until(condition, seconds=90.0):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.01)


def submission(name, *points, recipe=OTHER, whose="b"):
    made = tuple(
        Point(
            key="0" * 32,
            recipe=recipe,
            seed=3,
            size_bytes=size,
            accuracy=Estimate(value=value, low=value - 0.01, high=min(1, value + 0.01), how="measured", n=600),
        )
        for size, value in points
    )
    return Submission(name=name, owner=whose * 64, model="digits-mlp", data="digits", points=made)


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setenv("WORKBENCH_CLASS", str(tmp_path / "class"))
    return tmp_path / "class"


@contextlib.contextmanager
def opened(path, recipe=HALF):
    """Lend an open panel with its original measured, in a kernel of its own."""
    state = AppState("digits-mlp", recipe=recipe)
    with Store(path / "results.sqlite3") as store:
        connect(state, store=store)
        made = LeaderboardPanel(state)
        until(lambda: not state.busy)
        made.opened.value = True
        until(lambda: made._standing is not None)
        yield made


@pytest.fixture
def panel(folder, tmp_path):
    with opened(tmp_path) as made:
        yield made


def names(panel):
    return [row["key"] for row in panel.table.rows]


def test_an_empty_board_says_what_to_do(panel):
    assert panel.table.rows == []
    assert "type a name above, and submit" in panel.table.empty


def test_a_name_submits_and_is_on_the_board_and_in_the_picture(panel):
    panel.go.click()
    until(lambda: "type a name first" in panel.alert.value)
    panel.name.value = "  <b>Ann</b> "
    panel.go.click()
    until(lambda: names(panel) == ["<b>Ann</b>"])
    assert "submitted 1 point" in panel.told.value
    assert "<b>" not in panel.told.value
    assert panel.alert.value == ""
    assert panel.table.rows[0]["cells"][0]["text"] == "1. <b>Ann</b> (you)"
    you = panel.figure.data[2]
    until(lambda: len(you.x) == 1)  # the picture comes after the table
    assert you.name == "you"
    assert "&lt;b&gt;Ann" in you.hovertext[0]


def test_others_are_seen_at_the_next_pulse_and_their_recipe_is_tried(panel, folder):
    submit(folder, submission("Bo", (900, 0.5), (9_000, 0.99)))
    assert names(panel) == []
    panel.pulse._handle_custom_msg({"beat": True}, [])
    until(lambda: names(panel) == ["Bo"])
    assert panel.name.value == "", "somebody else's name is not ours"
    panel.table._act(panel.table, {"action": "Try it", "key": "Bo"}, [])
    assert (panel.state.recipe, panel.state.seed) == (OTHER, 3)
    carried = read(panel._fragment())
    assert (carried.recipe, carried.seed, carried.model.name) == (OTHER, 3, "digits-mlp")
    panel.state.put(recipe=HALF)
    first = panel.figure.data[1]
    assert list(first.x) == [900, 9_000]
    panel._point(first, type("Points", (), {"trace_index": 1, "point_inds": [0]}), None)
    assert panel.state.recipe == OTHER


def test_a_taken_name_is_refused_and_that_stays_to_be_read(panel, folder):
    submit(folder, submission("Bo", (900, 0.5)))
    panel.name.value = "bo"
    panel.go.click()
    until(lambda: "is taken by somebody else" in panel.alert.value)
    panel._look()
    until(lambda: names(panel) == ["Bo"])
    assert "is taken by somebody else" in panel.alert.value


def test_broken_files_are_named_and_their_text_is_escaped(panel, folder):
    submit(folder, submission("Bo", (900, 0.5)))
    (folder / "submissions" / "<img src=x>.json").write_text("{")
    panel._look()
    until(lambda: "leaves out one file" in panel.problems.value)
    assert "<img" not in panel.problems.value
    assert names(panel) == ["Bo"]


def test_a_folder_that_cannot_be_read_says_so(panel, folder):
    folder.mkdir()
    (folder / "submissions").write_text("a file")
    panel._look()
    until(lambda: "the folder of the class cannot be read" in panel.trouble.value)
    assert str(folder.parent) not in panel.trouble.value
    panel.name.value = "Ann"
    panel.go.click()
    until(lambda: "the folder of the class cannot be made" in panel.alert.value)
    assert str(folder.parent) not in panel.alert.value
    (folder / "submissions").unlink()
    panel._look()
    until(lambda: panel.trouble.value == "")


def test_a_folded_panel_reads_nothing(panel, folder):
    assert panel.pulse.on
    panel.opened.value = False
    assert not panel.pulse.on
    looked = panel.engine.leaderboard.looking.started
    panel._look()
    time.sleep(0.05)
    assert panel.engine.leaderboard.looking.started == looked


def test_visitors_of_one_served_page_are_told_apart(panel):
    panel.pulse._handle_custom_msg({"who": "a" * 32}, [])
    panel.name.value = "Ann"
    panel.go.click()
    until(lambda: names(panel) == ["Ann"])
    for other in ("b" * 32, "c" * 32):
        panel.pulse._handle_custom_msg({"who": other}, [])
        until(lambda: not panel._standing.mine)
        panel.alert.tell("")
        panel.go.click()
        until(lambda: "is taken by somebody else" in panel.alert.value)
    for bad in ("<script>", 7, None, "A" * 32):
        panel.pulse._handle_custom_msg({"who": bad}, [])
    assert panel.pulse.who == "c" * 32


@pytest.mark.parametrize(("who", "points"), [("", 2), ("a" * 32, 1)])
def test_on_a_served_page_only_rows_that_were_shown_on_it_are_submitted(who, points, panel):
    """Another visitor of the server has saved a smaller and worse row, which stands among the saved ones here, too."""
    row = panel.state.current
    worse = {
        "accuracy": dataclasses.replace(row.estimates["accuracy"], value=0.3, low=0.2, high=0.4),
        "size_bytes": Estimate.counted(100, "bytes"),
    }
    theirs = dataclasses.replace(row, key="1" * 32, estimates=row.estimates | worse)
    panel.state.put(saved=(row, theirs))
    panel.pulse._handle_custom_msg({"who": who}, [])
    panel.name.value = "Ann"
    panel.go.click()
    until(lambda: names(panel) == ["Ann"])
    assert len(panel._standing.places[0].front) == points


def test_after_a_reload_what_was_submitted_before_stays(panel, tmp_path):
    """A reload is a new kernel: it has shown one point, and the browser is the same."""

    panel.pulse._handle_custom_msg({"who": "a" * 32}, [])
    panel.name.value = "Ann"
    panel.go.click()
    until(lambda: names(panel) == ["Ann"])
    (first,) = panel._standing.places[0].submission.points
    with opened(tmp_path, Recipe((PRUNE(ratio=0.95, method="mask", score="magnitude"),))) as later:
        later.pulse._handle_custom_msg({"who": "a" * 32}, [])
        later.name.value = "Ann"
        later.go.click()
        until(lambda: "submitted" in later.told.value and "Submitting" not in later.told.value)
        assert "2 points, 1 of them from before" in later.told.value
        until(lambda: len(later._standing.places[0].submission.points) == 2)
        assert first in later._standing.places[0].submission.points


def test_a_home_that_cannot_be_written_does_not_hide_the_board(folder, tmp_path, monkeypatch):
    submit(folder, submission("Bo", (900, 0.5)))
    home = tmp_path / "no home"
    home.write_text("a file, in which nothing can be made")
    with opened(tmp_path) as panel:
        monkeypatch.setenv("WORKBENCH_HOME", str(home))
        panel._look()
        until(lambda: names(panel) == ["Bo"])
        assert panel.trouble.value == ""
        panel.name.value = "Ann"
        panel.go.click()
        until(lambda: panel.alert.value)
        assert "the home folder of this page cannot be made" in panel.alert.value
        assert str(tmp_path) not in panel.alert.value


def test_strangers_are_not_told_where_files_lie(monkeypatch):
    monkeypatch.setenv("WORKBENCH_HOME", "/srv/ann")
    monkeypatch.delenv("WORKBENCH_CLASS", raising=False)
    for sentence, told in (
        ("/srv/ann/class-secret, which tells", "the home folder of this page, which tells"),
        ("the folder /srv/ann/class/submissions cannot be made: no", "the folder of the class cannot be made: no"),
        ("/srv/ann/class/submissions/b-1.json cannot be written", "the folder of the class cannot be written"),
        ("/srv/ann cannot be read", "the home folder of this page cannot be read"),
        ("the name '/srv' is taken", "the name '/srv' is taken"),
    ):
        assert _without_paths(sentence) == told
    for everywhere in ("/", "a"):
        monkeypatch.setenv("WORKBENCH_HOME", everywhere)
        assert _without_paths("a / b") == "a / b"


def test_without_a_row_there_is_no_link(panel):
    from workbench.errors import Refused

    with pytest.raises(Refused, match="click a row of the table first"):
        panel._fragment()


def test_the_picture_sets_one_apart_and_keeps_the_others_apart():
    found = [submission(name, (size, 0.9), (2 * size, 0.95)) for name, size in (("A", 100), ("B", 200), ("C", 400))]
    places = board([*found, submission("D", (5_000, 0.8))], GROUND)
    info = leaderboard_info(places, "B")
    assert [spot.name for spot in info.first] == ["A", "A"]
    assert [spot.name for spot in info.mine] == ["B", "B"]
    assert [spot and spot.name for spot in info.others] == ["C", "C", None, "D"]
    own = leaderboard_info(places, "A")
    assert own.first == ()
    assert [spot.name for spot in own.mine] == ["A", "A"]
    figure = leaderboard_figure()
    draw_(figure, leaderboard_info(places, "B", GROUND))
    assert figure.layout.xaxis.range == (pytest.approx(math.log10(95)), pytest.approx(math.log10(105_000)))
    draw_(figure, info)
    assert list(figure.data[0].x) == [400, 800, None, 5_000]
    draw_(figure, leaderboard_info())
    assert [len(trace.x) for trace in figure.data] == [0, 0, 0]


def test_a_row_says_area_size_and_how_many():
    (place,) = board([submission("A", (10_000, 0.91))], dataclasses.replace(GROUND, accuracy=0.92))
    texts = [cell["text"] for cell in cells(place, mine=False)]
    assert texts[:2] == ["1. A", "0.450 (0.444 to 0.456)"]
    assert texts[2].startswith("10 kB at 91.0 % (")
    assert texts[3] == "1"
    (none,) = board([submission("A", (10_000, 0.5))], GROUND)
    assert cells(none, mine=True)[2] == {"text": "none yet", "sort": None}
    assert problems_html(()) == ""
