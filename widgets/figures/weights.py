"""The weights of one layer, before and after, with the values that its grid offers drawn in."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import plotly.graph_objects as go

from widgets import theme
from widgets.figures._figure import figure_widget
from widgets.figures._live import CONFIG, updating
from widgets.text import percent
from workbench.layerwise.histogram import WeightHistogram

AXES = {
    "weight": "Weight",
    "step": "Weight, in steps of its channel's grid",
    "largest": "Weight, as a part of its channel's largest",
}
_MOST_LINES = 40
"""Grids of more values than this are drawn as short ticks, not as lines through the whole picture."""
_TICK = 0.07


@dataclass(frozen=True, kw_only=True)
class WeightsInfo:
    """What the picture shows."""

    axis: str
    middles: tuple[float, ...]
    widths: tuple[float, ...]
    after: tuple[int, ...]
    outline: tuple[tuple[float, float], ...]
    """Corners of the outline of the original weights."""
    points: tuple[float, ...]
    top: float
    """Where the picture ends: a bar of zeros that is far higher than all others is cut there."""
    point_top: float
    cut: str
    """What the cut bar would have shown, "" where none is cut."""
    words: str


def weights_info(weights: WeightHistogram | None) -> WeightsInfo:
    """Return what to draw of a histogram."""
    if weights is None or not weights.after:
        nothing: tuple[float, ...] = ()
        return WeightsInfo(
            axis=AXES["weight"], middles=nothing, widths=nothing, after=(), outline=(), points=nothing,
            top=1, point_top=1, cut="", words="",
        )  # fmt: skip
    edges, after, before = weights.edges, weights.after, weights.before
    pairs = list(pairwise(edges))
    zero = next((place for place, (low, high) in enumerate(pairs) if low <= 0 < high), -1)
    others = max((*before, *(n for place, n in enumerate(after) if place != zero), 1))
    is_cut = zero >= 0 and after[zero] > 1.5 * others
    top = 1.1 * (others if is_cut else max((*after, *before, 1)))
    corners = [(x, float(n)) for (low, high), n in zip(pairs, before, strict=False) for x in (low, high)]
    if corners:
        corners = [(edges[0], 0.0), *corners, (edges[-1], 0.0)]
    share = percent(weights.zeros / max(1, weights.counted))
    return WeightsInfo(
        axis=AXES[weights.unit],
        middles=tuple((low + high) / 2 for low, high in pairs),
        widths=tuple(high - low for low, high in pairs),
        after=after,
        outline=tuple(corners),
        points=weights.points,
        top=top,
        point_top=top if len(weights.points) <= _MOST_LINES else _TICK * top,
        cut=f"{share} are zero" if is_cut else "",
        words=_words(weights, share),
    )


def _words(weights: WeightHistogram, share: str) -> str:
    """Return the picture in a sentence, for those who do not see it."""
    found = f"{weights.counted:,} weights, {share} of them zero"
    if weights.points:
        found += f", on a grid of {len(weights.points)} values"
        found += " (over all channels)" if weights.unit == "step" else ""
    return f"{found}. Filled: now. Outline: the original." if weights.before else f"{found}."


def weights_figure(dark: bool = False) -> go.FigureWidget:
    """Return an empty figure; `draw_` brings it up to date."""
    with figure_widget(dark) as figure:
        lines = {"mode": "lines", "hoverinfo": "skip"}
        figure.add_trace(
            go.Scatter(
                name="values of the grid", x=[], y=[], line={"color": theme.PINK, "width": 1}, opacity=0.6, **lines
            )
        )
        figure.add_trace(
            go.Bar(name="now", x=[], y=[], marker={"color": theme.BLUE, "line": {"width": 0}}, hovertemplate=_HOVER)
        )
        figure.add_trace(go.Scatter(name="original", x=[], y=[], line={"color": theme.GREY, "width": 2}, **lines))
        figure.update_layout(
            autosize=True,
            height=260,
            bargap=0,
            margin={"l": 60, "r": 16, "t": 30, "b": 46},
            legend={"orientation": "h", "y": 1.02, "yanchor": "bottom", "x": 0},
            xaxis={"title": {"font": {"size": 13}}},
            yaxis={
                "title": {"text": "Weights", "font": {"size": 13}},
                "automargin": True,
                "fixedrange": True,
                "rangemode": "tozero",
            },
        )
        figure._config = CONFIG | {"displayModeBar": False}
    return figure


_HOVER = "%{y} weights near %{x:.3g}<extra></extra>"


def draw_(figure: go.FigureWidget, info: WeightsInfo) -> None:
    """Bring a figure made by `weights_figure` up to date, in place and in one message."""
    grid, now, original = figure.data
    with updating(figure):
        grid.x = [x for point in info.points for x in (point, point, None)]
        grid.y = [y for _ in info.points for y in (0, info.point_top, None)]
        grid.showlegend = bool(info.points)
        now.x, now.y, now.width = info.middles, info.after, info.widths
        original.x, original.y = [x for x, _ in info.outline], [y for _, y in info.outline]
        original.showlegend = bool(info.outline)
        figure.layout.xaxis.title.text = info.axis
        figure.layout.yaxis.range = [0, info.top]
        if info.middles:
            figure.layout.xaxis.range = [
                info.middles[0] - info.widths[0],
                info.middles[-1] + info.widths[-1],
            ]
        figure.layout.annotations = [_note(info)] if info.cut else []


def _note(info: WeightsInfo) -> dict[str, object]:
    return {
        "text": info.cut,
        "x": 0,
        "y": 0.98 * info.top,
        "xanchor": "left",
        "yanchor": "top",
        "xshift": 12,
        "showarrow": False,
    }
