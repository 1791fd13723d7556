"""The map of provenance: five rows by hand, a layout without collisions, and one selection for all panels."""

from __future__ import annotations

import dataclasses
import math
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from widgets.figures import provenance
from widgets.figures._tree_layout import layout
from widgets.figures.provenance import chosen, color, diameter, drawn, provenance_info, scale, summary
from widgets.panels.provenance import ProvenancePanel, facts_html, key_html
from widgets.panels.tradeoff import TradeoffPanel
from widgets.state import AppState
from workbench.link import read
from workbench.recipe import Recipe
from workbench.registry import techniques
from workbench.result import DataRef, Estimate, Job, ModelRef, Result

MAGNITUDE, BITS, DISTILL = (techniques.get(name) for name in ("magnitude", "weight_bits", "distill"))
HALF, FOUR, TWO = MAGNITUDE(ratio=0.5), BITS(bits=4), BITS(bits=2)


def row(accuracy, size, *steps, final=True, **changes):
    job = Job(model=ModelRef(name="digits-mlp"), data=DataRef(name="digits"), recipe=Recipe(steps))
    measured = Estimate(value=accuracy, low=accuracy - 0.02, high=accuracy, how="measured", n=600, unit="fraction")
    estimates = {"accuracy": measured, "size_bytes": Estimate.counted(size, "bytes")}
    return Result(job=job, key=f"{accuracy} {size}", estimates=estimates, final=final, **changes)


ORIGINAL = row(0.9, 1600)
PRUNED = row(0.8, 900, HALF)
BOTH = row(0.7, 400, HALF, FOUR)
ROUNDED = row(0.5, 100, TWO)
TAUGHT = row(0.6, 400, HALF, TWO, DISTILL())
FIVE = (PRUNED, BOTH, ROUNDED, TAUGHT)


@pytest.fixture
def info():
    return provenance_info(ORIGINAL, BOTH, [BOTH], FIVE)


def test_five_rows_by_hand(info):
    # original - pruned - bits 2 (not measured) - taught
    #         |        \ bits 4
    #          \ bits 2
    found = [(node.key, node.x, node.y, node.parent, node.kind) for node in info.nodes]
    assert found == [
        (ORIGINAL.key, 0, 1.25, -1, "original"),
        (PRUNED.key, 1, 0.5, 0, "plain"),
        ("", 2, 0.0, 1, "between"),
        (TAUGHT.key, 3, 0.0, 2, "trained"),
        (BOTH.key, 2, 1.0, 1, "plain"),
        (ROUNDED.key, 1, 2.0, 0, "plain"),
    ]
    assert [node.label for node in info.nodes] == ["90.0 %", "80.0 %", "", "60.0 %", "70.0 %", "50.0 %"]
    assert [node.diameter for node in info.nodes] == [28, 21, 6, 14, 14, 7]
    assert [node.now for node in info.nodes] == [False, False, False, False, True, False]
    assert info.nodes[4].words == "Weight bits (bits 4)"
    assert info.nodes[2].text.endswith("not measured itself")
    for words in ("ratio 50 % → weight bits (bits 4)", "70.0 % (95 %: 68.0 to 70.0 %), measured on 600", "400 B"):
        assert words.lower() in info.nodes[4].text.lower().replace("(ratio 50 %)", "ratio 50 %")
    assert (info.depth, info.accuracies, info.largest_bytes, info.left_out) == (3, (0.5, 0.9), 1600, 0)
    assert summary(info) == "5 results, up to 3 steps from the original; 1 network on the way not measured."


def test_colours_go_from_the_lowest_to_the_highest_accuracy(info):
    by_key = {node.key: node.color for node in info.nodes}
    assert by_key[ROUNDED.key] == scale()[0]
    assert by_key[ORIGINAL.key] == scale()[-1]
    assert color(0.75, (0.5, 1.0)) == scale()[4], "half way"
    assert color(0.7, (0.7, 0.7)) == scale()[-1]
    assert by_key[""] == ""


def test_small_differences_do_not_span_all_colours():
    assert provenance_info(row(0.9, 10), None, (), [row(0.89, 5, HALF)]).accuracies == pytest.approx((0.85, 0.9))


@given(st.floats(0, 1e9), st.floats(1, 1e9))
def test_areas_are_in_proportion_to_bytes(size, largest):
    wide = diameter(min(size, largest), largest)
    assert 6 <= wide <= 28
    if wide > 6:
        assert math.isclose((wide / 28) ** 2, min(size, largest) / largest)


def test_controls_have_a_kind_of_their_own():
    random = row(0.4, 300, MAGNITUDE(ratio=0.5, score="random"))
    assert [node.kind for node in provenance_info(ORIGINAL, None, (), [random]).nodes] == ["original", "control"]


def test_only_finished_rows_are_results():
    moving = dataclasses.replace(BOTH, final=False)
    instead = dataclasses.replace(BOTH, provisional=("another",))
    odd = dataclasses.replace(BOTH, estimates={"accuracy": BOTH.estimates["accuracy"]})
    for other in (moving, instead, odd):
        assert len(provenance_info(ORIGINAL, other).nodes) == 1
    assert provenance_info(None, None).nodes == ()
    assert summary(provenance_info(None, None)) == "No network measured yet."
    assert "will branch off here" in summary(provenance_info(ORIGINAL, ORIGINAL))


def test_beyond_the_limit_the_starred_the_front_and_the_newest_stay():
    many = [row(0.3 + number / 1000, 2000 + number, MAGNITUDE(ratio=number / 100)) for number in range(1, 10)]
    best = many[-1]  # the largest and the most accurate of them, yet the original beats it: none but that is in front
    rows = (ORIGINAL, *many, best)
    assert chosen(rows, (), 3) == (ORIGINAL, many[-1], best)
    assert chosen(rows, {many[2].key}, 2) == (ORIGINAL, many[2])
    info = provenance_info(ORIGINAL, None, (), many, starred={many[0].key}, most=4)
    assert {node.key for node in info.nodes} == {ORIGINAL.key, many[0].key, many[7].key, many[8].key}
    assert info.left_out == 6
    assert "6 older results are left out" in summary(info)


STEPS = st.one_of(
    st.builds(MAGNITUDE, ratio=st.sampled_from([0.1, 0.5, 0.9]), score=st.sampled_from(["magnitude", "random"])),
    st.builds(BITS, bits=st.integers(2, 4)),
    st.builds(DISTILL, epochs=st.sampled_from([1, 2])),
)


@given(st.lists(st.lists(STEPS, max_size=5).map(tuple), max_size=30))
def test_no_two_nodes_meet_and_every_parent_is_the_recipe_before(paths):
    places = layout(paths)
    assert {place.path for place in places} == {path[:n] for path in paths for n in range(len(path) + 1)}
    for number, place in enumerate(places):
        assert place.x == len(place.path)
        assert place.parent < number
        if place.path:
            assert places[place.parent].path == place.path[:-1]
    for depth in range(6):
        ys = sorted(place.y for place in places if place.x == depth)
        assert all(after - before >= 1 for before, after in pairwise(ys))
    parents = {place.parent for place in places}
    leaves = [place for number, place in enumerate(places) if number not in parents]
    assert sorted(place.y for place in leaves) == list(range(len(leaves)))


def test_siblings_are_in_the_order_of_their_settings():
    paths = [(BITS(bits=bits),) for bits in (16, 2, 8)] + [(MAGNITUDE(ratio=0.5),)]
    assert [str(place.path[-1]) for place in layout(paths)[1:]] == [
        "weight pruning (ratio 50 %)",
        *(f"weight bits (bits {bits})" for bits in (2, 8, 16)),
    ]


def test_what_is_drawn_is_plain(info):
    nodes = drawn(info)
    assert nodes[0] == {
        "x": 0,
        "y": 1.25,
        "parent": -1,
        "shape": "original",
        "key": ORIGINAL.key,
        "label": "90.0 %",
        "words": "",
        "text": nodes[0]["text"],
        "color": scale()[-1],
        "radius": 14.0,
        "now": False,
    }


def test_the_key_names_only_what_is_there(info):
    assert "accuracy 50.0 %" in key_html(info)
    assert "at most 1.6 kB" in key_html(info)
    for words in ("original", "trained", "not measured"):
        assert words in key_html(info)
    assert "control" not in key_html(info)
    assert key_html(provenance.ProvenanceInfo()) == ""


def test_facts_are_escaped():
    named = row(0.5, 100, BITS(bits=3, layers={"<b>": 2}))
    assert "&lt;b&gt;" in facts_html(named)
    assert "<b>" not in facts_html(named)


# the panel, with an engine that does nothing


class Idle:
    """Stands in for the engine: these panels ask it for nothing."""

    saved = None


@pytest.fixture
def state():
    made = AppState("digits-mlp")
    made.engine = Idle()
    made.put(baseline=ORIGINAL, current=BOTH, trail=(BOTH,), saved=FIVE)
    return made


def press(widget, **message):
    widget._handle_custom_msg(message, [])


def test_nothing_is_drawn_while_folded(state):
    panel = ProvenancePanel(state)
    assert not panel.built
    panel.opened.value = True
    assert len(panel.tree.nodes) == 6
    state.put(saved=())
    assert len(panel.tree.nodes) == 3


def test_picking_a_node_rings_its_point_and_shows_its_facts(state):
    panel, plot = ProvenancePanel(state), TradeoffPanel(state)
    ring = plot.figure.data[0]
    assert (ring.name, ring.x) == ("looked at", ())
    panel.opened.value = True
    assert panel._actions.layout.display == "none"
    press(panel.tree, picked=TAUGHT.key)
    assert state.selected == panel.tree.selected == TAUGHT.key
    assert (tuple(ring.x), tuple(ring.y)) == ((400,), (0.6,))
    assert "60.0 %" in panel.facts.value
    assert panel._actions.layout.display is None
    panel.back.click()
    assert state.recipe == TAUGHT.job.recipe
    press(panel.tree, picked="no such row")
    press(panel.tree, picked=7)
    assert state.selected == TAUGHT.key


def test_a_click_on_the_plot_picks_as_well_as_restores(state):
    panel, plot = ProvenancePanel(state), TradeoffPanel(state)
    panel.opened.value = True
    names = list(plot._info.groups)
    points = type("Points", (), {"trace_index": names.index("saved"), "point_inds": [0]})
    plot._restore(None, points, None)
    assert state.selected == panel.tree.selected == PRUNED.key
    assert state.recipe == PRUNED.job.recipe


def test_the_link_is_that_of_the_picked_result(state):
    panel = ProvenancePanel(state)
    panel.opened.value = True
    sent = []
    panel.link.send = sent.append
    press(panel.link, wanted=True)
    assert "pick a node first" in sent[0]["refused"]
    press(panel.tree, picked=ROUNDED.key)
    press(panel.link, wanted=True)
    assert read(sent[1]["link"]) == ROUNDED.job
