"""What a search has tried: points lost on validation images against the size of the file."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import plotly.graph_objects as go

from widgets import theme
from widgets.figures._figure import figure_widget
from widgets.figures._live import updating
from widgets.text import escape, quantity
from workbench.search.contender import Contender

KINDS = ("plan", "uniform", "trained", "over")
_STYLES = {
    "plan": ("a setting for each layer", theme.BLUE, "circle"),
    "uniform": ("the same for all layers", theme.PINK, "triangle-up-open"),
    "trained": ("with a training", theme.GREEN, "star"),
    "over": ("beyond the limits", theme.GREY, "x-thin-open"),
}


@dataclass(frozen=True, kw_only=True)
class Point:
    """One attempt; losses in points of accuracy."""

    kind: str
    size_bytes: float
    lost: float
    low: float
    high: float
    text: str
    number: int
    """Its place among all attempts."""


def points(contenders: Iterable[Contender]) -> tuple[Point, ...]:
    """Return what to draw."""
    return tuple(_point(number, each) for number, each in enumerate(contenders))


def kind(each: Contender) -> str:
    """Return of which kind an attempt is."""
    if not each.keeps:
        return "over"
    return "trained" if each.recipe.trains else "uniform" if each.uniform else "plan"


def _point(number: int, each: Contender) -> Point:
    drop, nats = each.trial.judgement.drop, each.trial.judgement.divergence
    size = each.costs["size_bytes"]
    words = "<br>→ ".join(escape(_short(str(step))) for step in each.recipe.steps) or "original"
    return Point(
        kind=kind(each),
        size_bytes=size,
        lost=100 * drop.value,
        low=100 * drop.low,
        high=100 * drop.high,
        text=(
            f"<b>{words}</b><br>{quantity(size, 'bytes')}, counted<br>{100 * drop.value:.2f} points lost "
            f"({100 * drop.low:.2f} to {100 * drop.high:.2f}), measured on {drop.n} validation images<br>"
            f"{nats.value:.3g} nats from the original's answers ({nats.low:.2g} to {nats.high:.2g})"
        ),
        number=number,
    )


def _short(text: str) -> str:
    return text if len(text) < 90 else f"{text[:88]} …"


def attempts_figure(dark: bool) -> go.FigureWidget:
    """Return a figure without attempts."""
    with figure_widget(dark) as figure:
        for title, colour, symbol in _STYLES.values():
            figure.add_scatter(
                name=title,
                x=[],
                y=[],
                mode="markers",
                marker={"color": colour, "symbol": symbol, "size": 10, "line": {"width": 2, "color": colour}},
                error_y={"type": "data", "symmetric": False, "thickness": 1, "width": 3, "color": colour},
                hovertemplate="%{hovertext}<extra></extra>",
            )
        figure.update_layout(
            autosize=True,
            height=320,
            margin={"l": 60, "r": 16, "t": 16, "b": 46},
            legend={"orientation": "h", "yref": "container", "y": 1, "yanchor": "top", "x": 0},
            uirevision="keep",
        )
        figure.update_xaxes(title_text="File size", ticksuffix="B", exponentformat="SI")
        figure.update_yaxes(title_text="Points lost, validation", automargin=True, zeroline=True)
    return figure


def draw_(figure: go.FigureWidget, found: tuple[Point, ...]) -> None:
    """Draw other attempts into the figure."""
    with updating(figure):
        for trace, name in zip(figure.data, KINDS, strict=True):
            mine = of_kind(found, name)
            trace.x, trace.y = [each.size_bytes for each in mine], [each.lost for each in mine]
            trace.hovertext = [each.text for each in mine]
            trace.error_y.array = [each.high - each.lost for each in mine]
            trace.error_y.arrayminus = [each.lost - each.low for each in mine]
        figure.layout.xaxis.range = reach(found)


def reach(found: Iterable[Point]) -> tuple[float, float] | None:
    """Return from where to where the axis of bytes goes; None without points.

    It has room around them: around a single point plotly would mark fractions of a byte.
    """
    sizes = [each.size_bytes for each in found]
    if not sizes:
        return None
    room = max(0.05 * max(sizes), 10)
    return min(sizes) - room, max(sizes) + room


def of_kind(found: Iterable[Point], name: str) -> tuple[Point, ...]:
    """Return the points of one trace, in the order in which they are drawn."""
    return tuple(each for each in found if each.kind == name)


def dress_(figure: go.FigureWidget, dark: bool) -> None:
    """Give the figure the colours of the page."""
    layout = theme.plot_layout(dark)
    with updating(figure):
        figure.update_layout(layout)
