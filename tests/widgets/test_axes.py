"""What is written along the axes of figures."""

from __future__ import annotations

import pytest

from widgets import theme
from widgets.figures import architectures, attempts, curves, history, leaderboard
from widgets.figures.tradeoff import tradeoff_figure, tradeoff_info


def point(size_bytes: float) -> attempts.Point:
    return attempts.Point(kind="plan", size_bytes=size_bytes, lost=1.0, low=0.5, high=1.5, text="", number=0)


@pytest.mark.parametrize(
    "figure",
    [
        architectures.architectures_figure(False),
        curves.curves_figure(),
        history.history_figure(False),
        leaderboard.leaderboard_figure(False),
        tradeoff_figure(tradeoff_info(None, None)),
    ],
    ids=["architectures", "curves", "history", "leaderboard", "tradeoff"],
)
def test_ticks_of_accuracies_have_as_many_digits_as_they_need(figure) -> None:
    assert figure.layout.yaxis.tickformat == theme.PERCENT


def test_an_axis_of_bytes_with_one_point_has_room_for_whole_bytes() -> None:
    figure = attempts.attempts_figure(False)
    assert figure.layout.xaxis.range is None
    attempts.draw_(figure, (point(3204),))
    assert figure.layout.xaxis.range == pytest.approx((3204 - 160.2, 3204 + 160.2))
    attempts.draw_(figure, (point(10), point(20)))
    assert figure.layout.xaxis.range == (0, 30)
    attempts.draw_(figure, ())
    assert figure.layout.xaxis.range is None
