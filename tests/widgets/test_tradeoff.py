"""What the plot shows, worked by hand; and that drawing it says the same."""

from __future__ import annotations

import dataclasses

import pytest

from widgets.figures.tradeoff import Mark, axes, mark, pareto, summary, tradeoff_figure, tradeoff_info
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
    assert summary(tradeoff_info(None, None)) == "No network measured yet."


def test_recipes_in_the_hover_cannot_be_html():
    step = dataclasses.replace(techniques.get("magnitude")(), layers={"<b>x": 0.5})
    assert "<b>x" not in mark(row(1, 0.5, step), "size_bytes").text
