"""The contest as it is shown: order, roles, intervals and links, worked by hand."""

from __future__ import annotations

import json

import pytest

from widgets.figures.contest import contest_figure, contest_info, draw_, is_control, ticks
from widgets.panels.contest import cells
from workbench.reconstruction.contest import Entry
from workbench.registry import techniques

MAGNITUDE, BITS = techniques.get("magnitude"), techniques.get("weight_bits")


def entry(step, divergence, agreement=0.5):
    return Entry(
        step=step,
        divergence=divergence,
        low=0.9 * divergence,
        high=1.2 * divergence,
        agreement=agreement,
        images=100,
        seconds=1.25,
    )


@pytest.fixture
def info():
    entries = [
        entry(BITS(method="nearest"), 0.5),
        entry(BITS(method="gptq"), float("inf"), 0.0),
        entry(BITS(method="descent"), 0.01),
    ]
    return contest_info(entries, auto=BITS(method="descent"))


def test_the_best_comes_first_and_what_auto_uses_and_the_control_are_marked(info):
    found = [(rival.title, rival.role) for rival in info.rivals]
    assert found == [("Coordinate descent", "auto"), ("Round to nearest", "control"), ("GPTQ", "")]
    assert info.images == 100


def test_before_auto_is_known_none_is_marked_as_its_choice():
    assert contest_info([entry(BITS(method="descent"), 0.1)]).rivals[0].role == ""


def test_the_agreement_has_wilsons_interval(info):
    best = info.rivals[0]
    assert (best.low, best.high) == pytest.approx((0.4038, 0.5962), abs=1e-4)  # of 50 in 100


def test_papers_are_addresses_without_what_stands_around_them(info):
    assert info.rivals[2].paper == "https://arxiv.org/abs/2210.17323"
    random = contest_info([entry(MAGNITUDE(score="random"), 1.0)]).rivals[0]
    assert (random.role, random.paper) == ("control", "https://arxiv.org/abs/1902.09574")


@pytest.mark.parametrize(
    ("step", "control"),
    [
        (MAGNITUDE(score="random"), True),
        (MAGNITUDE(score="lamp"), False),
        (BITS(method="nearest", correct=True), True),
        (BITS(method="gptq", correct=False), False),
    ],
)
def test_the_control_is_known_by_what_the_contest_decides(step, control):
    assert is_control(step) == control


def test_a_broken_network_is_in_the_table_and_not_on_the_axis(info):
    figure = contest_figure(3)
    draw_(figure, info)
    drawn = {name: x for trace in figure.data for name, x in zip(trace.y, trace.x, strict=True)}
    assert drawn == {"Coordinate descent": 0.01, "Round to nearest": 0.5}
    assert figure.data[1].error_x.array == pytest.approx((0.002,))
    assert figure.data[1].error_x.arrayminus == pytest.approx((0.001,))
    texts = [[cell["text"] for cell in cells(rival)] for rival in info.rivals]
    assert texts[0] == [
        "Coordinate descent (what auto uses)",
        "0.01 nats (0.009 to 0.012)",
        "50.0 % (40.4 to 59.6 %)",
        "1.2 s",
        "arxiv.org/abs/2309.01885",
    ]
    assert "broken" in texts[2][1]
    json.dumps([cells(rival) for rival in info.rivals], allow_nan=False)


def test_nothing_is_no_divergence_and_has_a_place_on_a_logarithmic_axis():
    figure = contest_figure(1)
    draw_(figure, contest_info([entry(BITS(method="descent"), 0.0, 1.0)]))
    assert figure.data[0].x[0] > 0


@pytest.mark.parametrize(
    ("values", "some", "most"),
    [([0.09, 1.5], {0.1, 0.2, 0.5, 1, 2}, 13), ([1e-4, 2.0], {1e-4, 1e-2, 1}, 9), ([1e-7, 20.0], {1e-6, 1}, 9)],
)
def test_ticks_are_round_few_and_cover_the_values(values, some, most):
    found = ticks(values)
    assert some <= {*found}
    assert len(found) <= most
    assert ticks([]) == []
