"""Accuracy against cost of all that was found in the history, thinned where nobody could tell the points apart."""

from __future__ import annotations

import numpy as np
import plotly.graph_objects as go

from widgets import theme
from widgets.figures._figure import figure_widget
from widgets.figures._live import updating
from widgets.text import escape, percent, quantity
from workbench.history import Points

AXES = {"size_bytes": ("File size", "bytes"), "macs": ("Multiply-adds", "")}
"""Title and unit of what the x axis may show."""


def history_figure(dark: bool) -> go.FigureWidget:
    """Return the empty figure; `draw_` brings it up to date."""
    with figure_widget(dark) as figure:
        hover = {"hovertemplate": "%{hovertext}<extra></extra>"}
        dots = {"color": theme.BLUE, "size": 7, "opacity": 0.55}
        figure.add_trace(go.Scatter(name="measured", x=[], y=[], mode="markers", marker=dots, **hover))
        line = {"color": theme.GREEN, "width": 2, "shape": "hv"}
        marks = {"color": theme.GREEN, "size": 10, "symbol": "diamond-open", "line": {"width": 2}}
        figure.add_trace(
            go.Scatter(name="not beaten", x=[], y=[], mode="lines+markers", line=line, marker=marks, **hover)
        )
        figure.update_layout(
            autosize=True,
            height=320,
            margin={"l": 60, "r": 16, "t": 16, "b": 50},
            legend={"orientation": "h", "yref": "container", "y": 1, "yanchor": "top", "x": 0},
            yaxis={"title": "Accuracy on the test images", "tickformat": theme.PERCENT, "automargin": True},
            xaxis={"rangemode": "tozero"},
        )
    return figure


def drawn(points: Points) -> tuple[list[int], list[int]]:
    """Return the places in `points` of each of the two traces, in the order in which they are drawn."""
    ranked = np.flatnonzero(points.front)
    return np.flatnonzero(~points.front).tolist(), ranked[np.argsort(points.x[ranked])].tolist()


def draw_(figure: go.FigureWidget, points: Points, axis: str) -> None:
    """Bring a figure made by `history_figure` up to date, in place and in one message."""
    title, unit = AXES[axis]
    with updating(figure):
        for trace, places in zip(figure.data, drawn(points), strict=True):
            trace.x, trace.y = points.x[places].tolist(), points.y[places].tolist()
            trace.hovertext = [_words(points, place, unit) for place in places]
        figure.layout.xaxis.title.text = title
        figure.layout.xaxis.ticksuffix = "B" if unit == "bytes" else ""


def _words(points: Points, place: int, unit: str) -> str:
    recipe = "<br>→ ".join(escape(step) for step in points.recipes[place].split(" → "))
    return f"<b>{recipe}</b><br>accuracy {percent(points.y[place])}<br>{quantity(points.x[place], unit)}"
