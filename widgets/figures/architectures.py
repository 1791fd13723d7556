"""Networks that a search has tried: validation accuracy against a cost, search and control arm by shape."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import plotly.graph_objects as go

from widgets import theme
from widgets.figures._figure import figure_widget
from widgets.figures._live import updating
from widgets.text import escape, estimate_text, interval, percent
from workbench.search.candidate import Candidate
from workbench.search.counting import costs
from workbench.search.nas_plan import Plan
from workbench.search.outcome import outcome

ARMS = {"search": "search", "control": "random (control)"}
"""What the arms are called, by name."""


@dataclass(frozen=True, kw_only=True)
class Tried:
    """One point: cost on x, validation accuracy with its interval on y (fractions)."""

    name: str
    arm: str
    x: float
    y: float
    low: float
    high: float
    text: str


@dataclass(frozen=True, kw_only=True)
class ArchitecturesInfo:
    """What the picture shows, and the same in words."""

    title: str = ""
    """Of the x axis."""
    points: tuple[Tried, ...] = ()
    front: tuple[Tried, ...] = ()
    """The points that none beats, the cheapest first."""
    beyond: int = 0
    """How many networks were beyond a limit."""
    sentence: str = ""

    def arm(self, name: str) -> tuple[Tried, ...]:
        """Return the points of one arm."""
        return tuple(point for point in self.points if point.arm == name)


def architectures_info(plan: Plan, candidates: Sequence[Candidate]) -> ArchitecturesInfo:
    """Return what to draw of the candidates so far."""
    found = outcome(plan, candidates)
    points = {id(c): _tried(c, plan.objective) for c in candidates if c.judged}
    return ArchitecturesInfo(
        title=costs()[plan.objective],
        points=tuple(points.values()),
        front=tuple(points[id(candidate)] for candidate in found.front),
        beyond=sum(not candidate.judged for candidate in candidates),
        sentence=found.sentence,
    )


def _tried(candidate: Candidate, objective: str) -> Tried:
    accuracy, cost = candidate.estimates["accuracy"], candidate.estimates[objective]
    settings = candidate.name.partition(":")[2].replace("=", " ").replace(",", ", ")
    lines = [
        f"<b>{escape(settings)}</b>",
        f"{ARMS[candidate.arm]}, network {candidate.number}",
        f"validation accuracy {percent(accuracy.value)} (95 %: {interval(accuracy)}), {accuracy.how} on {accuracy.n}",
        f"{escape(costs()[objective].lower())}: {estimate_text(cost)}, {cost.how}",
    ]
    return Tried(
        name=candidate.name,
        arm=candidate.arm,
        x=cost.value,
        y=accuracy.value,
        low=accuracy.low,
        high=accuracy.high,
        text="<br>".join(lines),
    )


_STYLES = {
    "front": ("not beaten", {"mode": "lines", "line": {"color": theme.GREEN, "width": 2, "shape": "hv"}}),
    "control": (
        ARMS["control"],
        {"mode": "markers", "marker": {"color": theme.PINK, "size": 10, "symbol": "triangle-up-open"}},
    ),
    "search": (ARMS["search"], {"mode": "markers", "marker": {"color": theme.BLUE, "size": 10, "symbol": "circle"}}),
    "picked": (
        "picked",
        {
            "mode": "markers",
            "marker": {"color": theme.RED, "size": 18, "symbol": "circle-open", "line": {"width": 3}},
        },
    ),
}


def architectures_figure(dark: bool) -> go.FigureWidget:
    """Return a figure without networks."""
    with figure_widget(dark) as figure:
        for name, (title, style) in _STYLES.items():
            plain = name in ("front", "picked")
            hover = {"hoverinfo": "skip"} if plain else {"hovertemplate": "%{hovertext}<extra></extra>"}
            figure.add_trace(go.Scatter(name=title, x=[], y=[], cliponaxis=False, **style, **hover))
        figure.update_layout(
            autosize=True,
            height=380,
            margin={"l": 60, "r": 16, "t": 16, "b": 50},
            legend={"orientation": "h", "yref": "container", "y": 1, "yanchor": "top", "x": 0},
            yaxis={"title": "Accuracy on validation images", "tickformat": theme.PERCENT, "automargin": True},
            xaxis={"type": "log", "dtick": "D2", "exponentformat": "SI"},
            uirevision="keep",
        )
    return figure


def draw_(figure: go.FigureWidget, info: ArchitecturesInfo, picked: str = "") -> None:
    """Draw the networks of a search, in place and in one message; the one that is `picked` by name gets a ring."""
    groups = {
        "front": info.front,
        "control": info.arm("control"),
        "search": info.arm("search"),
        "picked": tuple(point for point in info.points if point.name == picked)[:1],
    }
    with updating(figure):
        for trace, (name, points) in zip(figure.data, groups.items(), strict=True):
            trace.x, trace.y = [point.x for point in points], [point.y for point in points]
            trace.hovertext = [point.text for point in points]
            if name in ARMS:
                trace.customdata = [point.name for point in points]
                trace.error_y = {
                    "type": "data",
                    "symmetric": False,
                    "array": [point.high - point.y for point in points],
                    "arrayminus": [point.y - point.low for point in points],
                    "thickness": 1,
                    "width": 3,
                }
        figure.layout.xaxis.title.text = info.title


def dress_(figure: go.FigureWidget, dark: bool) -> None:
    """Give the figure the colours of the page."""
    with updating(figure):
        figure.update_layout(theme.plot_layout(dark))
