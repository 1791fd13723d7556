"""The curves of a training: loss and validation accuracy against epochs, one pair for each arm."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import plotly.graph_objects as go

from widgets import theme
from widgets.figures._figure import figure_widget
from widgets.figures._live import updating


@dataclass(frozen=True)
class CurvesInfo:
    """Points (x, y) of each curve, by arm and curve."""

    points: Mapping[tuple[str, str], tuple[tuple[float, float], ...]]

    def grown(self, arm: str, news: Mapping[str, tuple[float, float]]) -> CurvesInfo:
        """Return the curves with the newest points added."""
        merged = dict(self.points)
        for curve, point in news.items():
            merged[arm, curve] = (*merged.get((arm, curve), ()), point)
        return replace(self, points=merged)

    def has(self, arm: str) -> bool:
        """Whether there is any point of an arm."""
        return any(drawn == arm for drawn, _ in self.points)

    def kept(self, arm: str, curves: Mapping[str, Sequence[Sequence[float]]]) -> CurvesInfo:
        """Return the curves with those that were kept with the result of an arm (see `workbench.curves`)."""
        return replace(
            self, points={**self.points, **{(arm, name): tuple((x, y) for x, y in curves[name]) for name in curves}}
        )


_ARMS = ("recipe", "control")
_TRACES = tuple((arm, curve) for arm in _ARMS for curve in ("loss", "validation accuracy"))


def curves_figure(dark: bool = False) -> go.FigureWidget:
    """Return an empty figure; `draw_` fills it."""
    with figure_widget(dark) as figure:
        for arm, curve in _TRACES:
            accuracy = curve == "validation accuracy"
            color = {"recipe": theme.RED, "control": theme.PINK}[arm]
            figure.add_trace(
                go.Scatter(
                    name=curve if arm == "recipe" else f"{curve}, control",
                    x=[],
                    y=[],
                    mode="lines+markers" if accuracy else "lines",
                    line={"color": color, "width": 2 if accuracy else 1, "dash": "solid" if accuracy else "dot"},
                    yaxis="y" if accuracy else "y2",
                )
            )
        figure.update_layout(
            autosize=True,
            height=260,
            margin={"l": 60, "r": 50, "t": 10, "b": 44},
            legend={"orientation": "h", "yref": "container", "y": 1, "yanchor": "top", "x": 0},
            xaxis={"title": "Epochs", "rangemode": "tozero"},
            yaxis={"title": "Validation accuracy", "tickformat": theme.PERCENT, "automargin": True},
            yaxis2={
                "title": "Loss",
                "overlaying": "y",
                "side": "right",
                "showgrid": False,
                "rangemode": "tozero",
                "tickformat": ".3~g",  # as many digits as tell two ticks apart
            },
        )
        draw_(figure, CurvesInfo({}))
    return figure


def draw_(figure: go.FigureWidget, info: CurvesInfo) -> None:
    """Bring the figure up to date, in place and in one message."""
    with updating(figure):
        for trace, name in zip(figure.data, _TRACES, strict=True):
            points = info.points.get(name, ())
            trace.x, trace.y = [x for x, _ in points], [y for _, y in points]
