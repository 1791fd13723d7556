"""What is kept of the curves of a training."""

from __future__ import annotations

import pytest

from workbench.context import Progress, ignore
from workbench.curves import MOST, Curves
from workbench.errors import Cancelled


def test_all_is_passed_on_and_points_are_kept() -> None:
    heard: list[Progress] = []
    curves = Curves(heard.append)
    news = [
        Progress(0.0, "reading"),
        Progress(0.5, "step 1", {"loss": (0.5, 1.2345678)}),
        Progress(1.0, "step 2", {"loss": (1.0, 0.75), "validation accuracy": (1.0, 0.9)}),
    ]
    for each in news:
        curves.report(each)
    assert heard == news
    assert curves.details == {"loss": [[0.5, 1.2346], [1.0, 0.75]], "validation accuracy": [[1.0, 0.9]]}


def test_a_long_curve_keeps_its_ends_and_evenly_spaced_points() -> None:
    curves = Curves(ignore)
    for step in range(10 * (MOST - 1) + 1):
        curves.report(Progress(0.5, "", {"loss": (step, 1.0)}))
    assert [x for x, _ in curves.details["loss"]] == [10 * number for number in range(MOST)]


def test_who_stops_the_work_is_obeyed() -> None:
    def stop(_: Progress) -> None:
        raise Cancelled

    with pytest.raises(Cancelled):
        Curves(stop).report(Progress(0.5, ""))


def test_points_that_json_cannot_hold_are_left_out() -> None:
    curves = Curves(ignore)
    for step, loss in enumerate((1.0, float("nan"), float("inf"), 0.5)):
        curves.report(Progress(0.5, "", {"loss": (float(step), loss)}))
    assert curves.details == {"loss": [[0.0, 1.0], [3.0, 0.5]]}
