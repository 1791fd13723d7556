"""What the plot shows, worked by hand; and that drawing it says the same."""

from __future__ import annotations

import dataclasses

import pytest

from widgets.figures import sensitivity
from widgets.figures._figure import figure_widget
from widgets.figures.architectures import architectures_figure
from widgets.figures.attempts import attempts_figure
from widgets.figures.contest import contest_figure
from widgets.figures.curves import curves_figure
from widgets.figures.devices import devices_figure
from widgets.figures.history import history_figure
from widgets.figures.tradeoff import Mark, axes, mark, pareto, summary, tradeoff_figure, tradeoff_info
from widgets.figures.weights import weights_figure
from widgets.panels.tradeoff import numbers_text
from workbench.recipe import Recipe
from workbench.registry import techniques
from workbench.result import DataRef, Estimate, Job, ModelRef, Result


def row(size, accuracy, *steps, low=None, high=None):
    job = Job(model=ModelRef(name="m"), data=DataRef(name="d"), recipe=Recipe(steps))
    measured = Estimate(
        value=accuracy,
        low=accuracy - 0.1 if low is None else low,
        high=accuracy + 0.1 if high is None else high,
        how="measured",
        n=100,
        unit="fraction",
    )
    estimates = {"accuracy": measured, "size_bytes": Estimate.counted(size, "bytes"), "macs": Estimate.counted(7)}
    return Result(job=job, key=f"{size}-{accuracy}", estimates=estimates, final=True)


def changed(size, accuracy, change, low, high):
    """A row that says what it costs against the original."""
    step = techniques.get("magnitude")(ratio=0.8)
    plain = row(size, accuracy, step)
    cost = Estimate(value=change, low=low, high=high, how="measured", n=100, unit="fraction")
    return dataclasses.replace(plain, estimates={**plain.estimates, "change": cost})


def provisional(size, accuracy, *sentences):
    found = row(size, accuracy, techniques.get("magnitude")(ratio=0.8))
    return dataclasses.replace(found, final=False, provisional=sentences)


def point(x, y):
    return Mark(x=x, y=y, low=y, high=y, cost="", accuracy="", text="", key=f"{x}")


@pytest.mark.parametrize(
    ("marks", "front"),
    [
        ([], []),
        ([(5, 0.5)], [(5, 0.5)]),
        ([(1, 0.2), (2, 0.1), (3, 0.3)], [(1, 0.2), (3, 0.3)]),
        ([(2, 0.5), (2, 0.6), (1, 0.6)], [(1, 0.6)]),
        ([(1, 0.5), (2, 0.5)], [(1, 0.5)]),
        ([(3, 0.9), (1, 0.1), (2, 0.5)], [(1, 0.1), (2, 0.5), (3, 0.9)]),
    ],
)
def test_pareto(marks, front):
    assert [(m.x, m.y) for m in pareto(point(*m) for m in marks)] == front


def test_a_mark_says_value_interval_images_recipe_and_how():
    step = techniques.get("magnitude")(ratio=0.8)
    found = mark(row(17234, 0.9, step, low=0.85, high=0.93), "size_bytes")
    assert (found.x, found.y, found.low, found.high) == (17234, 0.9, 0.85, 0.93)
    for words in ("ratio 80 %", "90.0 %", "85.0 to 93.0 %", "measured on 100 images", "17.2 kB", "counted"):
        assert words in found.text


def test_a_row_without_the_number_of_the_axis_is_left_out():
    assert mark(row(1, 0.5), "parameters") is None


def test_controls_are_drawn_apart_and_are_no_part_of_the_front():
    random = techniques.get("magnitude")(ratio=0.5, score="random")
    kept = techniques.get("magnitude")(ratio=0.5)
    info = tradeoff_info(row(100, 0.9), None, saved=[row(50, 0.95, random), row(60, 0.8, kept)])
    assert [m.x for m in info.controls] == [50]
    assert [m.x for m in info.saved] == [60]
    assert [m.x for m in info.front] == [60, 100]


def test_the_figure_holds_what_the_info_says():
    kept = techniques.get("magnitude")(ratio=0.5)
    info = tradeoff_info(row(100, 0.9), row(40, 0.7, kept), trail=[row(80, 0.8, kept)], axis="size_bytes")
    figure = tradeoff_figure(info)
    traces = {trace.name: trace for trace in figure.data}
    assert list(traces["now"].x) == [40]
    assert list(traces["now"].y) == [0.7]
    assert list(traces["now"].error_y.array) == pytest.approx([0.1])
    assert list(traces["original"].x) == [100]
    assert list(traces["where you came from"].x) == [80]
    assert list(traces["not beaten"].x) == [40, 100]
    assert figure.layout.xaxis.title.text == axes()["size_bytes"]


def test_the_axis_can_be_any_measure_of_which_less_is_better():
    assert {"size_bytes", "parameters", "nonzeros", "macs"} <= set(axes())
    assert "accuracy" not in axes()
    info = tradeoff_info(row(100, 0.9), row(40, 0.7), axis="macs")
    assert info.current.x == 7


def test_summary_says_how_much_smaller():
    told = summary(tradeoff_info(row(100, 0.9), row(40, 0.7)))
    assert "2.5 times smaller" in told
    assert "70.0 % (95 %: 60.0 to 80.0 %)" in told, "no number without its interval"
    assert "2.0 times larger" in summary(tradeoff_info(row(100, 0.9), row(200, 0.7)))
    assert summary(tradeoff_info(row(100, 0.9), row(101, 0.7))).endswith("at 100 B.")
    assert summary(tradeoff_info(None, None)) == "No network measured yet."


def test_recipes_in_the_hover_cannot_be_html():
    step = dataclasses.replace(techniques.get("magnitude")(), layers={"<b>x": 0.5})
    assert "<b>x" not in mark(row(1, 0.5, step), "size_bytes").text


def test_what_is_not_yet_what_was_asked_is_hollow_named_and_no_part_of_the_front():
    stand_in = provisional(40, 0.99, "weight pruning (ratio 70 %) is shown, the nearest that is prepared")
    info = tradeoff_info(row(100, 0.9), stand_in)
    assert [m.x for m in info.front] == [100]
    traces = {trace.name: trace for trace in tradeoff_figure(info).data}
    assert list(traces["now"].x) == []
    hollow = traces["not yet what you asked for"]
    assert (list(hollow.x), hollow.marker.symbol) == ([40], "circle-open")
    assert "not yet what you asked for" in hollow.text[0], "said beside the point, not only on hover"
    for words in (hollow.hovertext[0], summary(info)):
        assert "weight pruning (ratio 70 %) is shown, the nearest that is prepared" in words
    assert summary(info).startswith("Not yet what you asked for: ")
    exact = {trace.name: trace for trace in tradeoff_figure(tradeoff_info(row(100, 0.9), row(40, 0.7))).data}
    assert list(exact["now"].x) == [40]
    assert list(exact["not yet what you asked for"].x) == []


@pytest.mark.parametrize(("size", "side"), [(40, "middle right"), (90, "middle left")])
def test_the_words_beside_a_hollow_point_stay_inside_the_plot(size, side):
    figure = tradeoff_figure(tradeoff_info(row(100, 0.9), provisional(size, 0.7, "x")))
    hollow = next(trace for trace in figure.data if trace.name == "not yet what you asked for")
    assert hollow.textposition == (side,)


def test_what_stands_in_cannot_be_html():
    assert "<b>x" not in mark(provisional(1, 0.5, "<b>x"), "size_bytes").text


def test_the_change_is_told_with_the_wider_side_of_its_interval():
    told = summary(tradeoff_info(row(100, 0.9), changed(40, 0.896, -0.004, -0.010, 0.001)))
    assert "−0.4 ± 0.6 points against the original" in told
    assert "89.6 % (95 %: 79.6 to 99.6 %)" in told


def test_the_numbers_have_the_change_in_points_and_none_for_the_original():
    told = numbers_text(changed(40, 0.896, -0.004, -0.010, 0.001), row(100, 0.9), busy=False)
    assert "<b>−0.4</b><span>points; −1.0 to +0.1 (95 %), 100 images</span>" in told
    plain = row(100, 0.9)
    original = dataclasses.replace(plain, estimates={**plain.estimates, "change": Estimate.counted(0.0, "fraction")})
    assert "change" not in numbers_text(original, original, busy=False)
    assert "2.5 times less" in told
    assert "times" not in numbers_text(row(99, 0.9), row(100, 0.9), busy=False)


def test_numbers_that_are_not_yet_what_was_asked_look_otherwise():
    assert "dsw-provisional" in numbers_text(provisional(40, 0.7, "x"), None, busy=True)
    assert "dsw-provisional" not in numbers_text(row(40, 0.7), None, busy=True)


def test_a_figure_does_not_bring_its_own_copy_of_plotly():
    with figure_widget(dark=False) as figure:
        assert len(figure._esm) < 10_000


@pytest.mark.parametrize(
    "figure",
    [
        architectures_figure(dark=False),
        attempts_figure(dark=False),
        contest_figure(2),
        curves_figure(),
        devices_figure(dark=False),
        history_figure(dark=False),
        sensitivity.heat_figure(2),
        sensitivity.curves_figure(),
        weights_figure(),
    ],
)
def test_a_page_that_opens_later_gets_the_whole_figure(figure):
    plain = figure.to_dict()
    assert figure._widget_data == plain["data"]
    assert figure._widget_layout == plain["layout"]
