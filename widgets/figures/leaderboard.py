"""The fronts of a class: accuracy against file size, one's own in front of all others."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

import plotly.graph_objects as go

from widgets import theme
from widgets.figures._figure import figure_widget
from widgets.figures._live import updating
from widgets.figures.tradeoff import wrapped
from widgets.text import escape, interval, percent, quantity
from workbench.leaderboard import Board, Place
from workbench.submissions import Point


@dataclass(frozen=True, kw_only=True)
class Spot:
    """One point of the picture: file size in bytes on x, accuracy (a fraction) on y."""

    x: float
    y: float
    low: float
    high: float
    text: str
    name: str
    point: Point


@dataclass(frozen=True, kw_only=True)
class LeaderboardInfo:
    """What the picture shows; None between two fronts keeps their lines apart."""

    others: tuple[Spot | None, ...]
    first: tuple[Spot, ...]
    """The front of the first place, unless it is one's own."""
    mine: tuple[Spot, ...]
    ground: Board | None = None

    @property
    def groups(self) -> dict[str, tuple[Spot | None, ...]]:
        """The points by trace, in the order in which they are drawn."""
        return {"others": self.others, "first": self.first, "mine": self.mine}


def leaderboard_info(places: Iterable[Place] = (), mine: str = "", ground: Board | None = None) -> LeaderboardInfo:
    """Return what to draw; `mine` is one's own name."""
    fronts = [(place.submission.name, tuple(_spot(place, point) for point in place.front)) for place in places]
    own = next((front for name, front in fronts if name == mine), ())
    first = fronts[0][1] if fronts and fronts[0][0] != mine else ()
    others: list[Spot | None] = []
    for front in (front for _, front in fronts if front is not own and front is not first):
        others += [None, *front] if others else front
    return LeaderboardInfo(others=tuple(others), first=first, mine=own, ground=ground)


def _spot(place: Place, point: Point) -> Spot:
    accuracy = point.accuracy
    lines = [
        f"<b>{escape(place.submission.name)}</b>",
        wrapped(point.recipe),
        f"accuracy {percent(accuracy.value)} (95 %: {interval(accuracy)}), measured on {accuracy.n} images",
        f"file {quantity(point.size_bytes, 'bytes')}, counted",
    ]
    return Spot(
        x=point.size_bytes,
        y=accuracy.value,
        low=accuracy.low,
        high=accuracy.high,
        text="<br>".join(lines),
        name=place.submission.name,
        point=point,
    )


_STYLES = {
    "others": ("others", theme.GREY, 1.0, 6, "circle"),
    "first": ("first place", theme.GREEN, 2.0, 9, "diamond"),
    "mine": ("you", theme.RED, 3.5, 11, "circle"),
}


def leaderboard_figure(dark: bool = False) -> go.FigureWidget:
    """Return the empty figure; `draw_` brings it up to date."""
    with figure_widget(dark) as figure:
        for title, colour, width, size, symbol in _STYLES.values():
            figure.add_trace(
                go.Scatter(
                    name=title,
                    x=[],
                    y=[],
                    mode="lines+markers",
                    line={"color": colour, "width": width, "shape": "hv"},
                    marker={"color": colour, "size": size, "symbol": symbol},
                    cliponaxis=False,
                    hovertemplate="%{hovertext}<extra></extra>",
                )
            )
        figure.update_layout(
            autosize=True,
            height=360,
            margin={"l": 60, "r": 16, "t": 16, "b": 50},
            legend={"orientation": "h", "yref": "container", "y": 1, "yanchor": "top", "x": 0},
            yaxis={"title": "Accuracy on the test images", "tickformat": theme.PERCENT, "automargin": True},
            xaxis={"title": "File size", "type": "log", "ticksuffix": "B"},
            uirevision="keep",
        )
    return figure


def draw_(figure: go.FigureWidget, info: LeaderboardInfo) -> None:
    """Bring a figure made by `leaderboard_figure` up to date, in place and in one message."""
    with updating(figure):
        if info.ground:  # the whole axis over which areas are counted, and whatever lies outside of it
            sizes = [spot.x for spots in info.groups.values() for spot in spots if spot]
            ends = min([info.ground.smallest_bytes, *sizes]), max([info.ground.size_bytes, *sizes])
            figure.layout.xaxis.range = [math.log10(0.95 * ends[0]), math.log10(1.05 * ends[1])]
        for trace, (name, spots) in zip(figure.data, info.groups.items(), strict=True):
            trace.x = [spot and spot.x for spot in spots]
            trace.y = [spot and spot.y for spot in spots]
            trace.hovertext = [spot.text if spot else "" for spot in spots]
            if name == "mine":
                trace.error_y = {
                    "type": "data",
                    "symmetric": False,
                    "array": [spot.high - spot.y for spot in info.mine],
                    "arrayminus": [spot.y - spot.low for spot in info.mine],
                    "thickness": 1.5,
                    "width": 5,
                }
