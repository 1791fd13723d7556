"""Accuracy against what a network costs: the picture that moves with the sliders."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import plotly.graph_objects as go

from widgets import theme
from widgets.figures._figure import figure_widget
from widgets.figures._live import updating
from widgets.text import capitalised, change_text, escape, estimate_text, interval, percent
from workbench.recipe import Recipe
from workbench.registry import measures
from workbench.result import Result
from workbench.search.pareto import unbeaten


def axes() -> dict[str, str]:
    """Return what the x axis may show: title by name of every measure of which less is better, the file first."""
    found = {measure.name: measure.title for measure in measures if measure.better == "lower"}
    return {"size_bytes": found.pop("size_bytes")} | found


@dataclass(frozen=True, kw_only=True)
class Mark:
    """One point: cost on x, accuracy with its interval on y (fractions)."""

    x: float
    y: float
    low: float
    high: float
    cost: str
    """x in words."""
    accuracy: str
    """y in words, with its interval."""
    text: str
    key: str
    change: str = ""
    """What the recipe costs in accuracy, in words; nothing for the original."""
    instead: str = ""
    """What the point shows for the time being instead of what was asked, in words."""


@dataclass(frozen=True, kw_only=True)
class TradeoffInfo:
    """What the picture shows."""

    axis: str
    baseline: Mark | None
    current: Mark | None
    trail: tuple[Mark, ...]
    saved: tuple[Mark, ...]
    controls: tuple[Mark, ...]
    front: tuple[Mark, ...]
    """The marks that no other one beats in both size and accuracy, from small to large. Controls do not count, and
    neither does a point that is not yet what was asked for."""
    selected: Mark | None = None
    """The mark that is looked at, in all panels."""

    @property
    def groups(self) -> dict[str, tuple[Mark, ...]]:
        """The marks by trace, in the order in which they are drawn."""
        return {
            "selected": (self.selected,) if self.selected else (),
            "front": self.front,
            "trail": self.trail,
            "saved": self.saved,
            "controls": self.controls,
            "baseline": (self.baseline,) if self.baseline else (),
            "provisional": (self.current,) if self.current and self.current.instead else (),
            "current": (self.current,) if self.current and not self.current.instead else (),
        }


NOT_YET = "not yet what you asked for"


def mark(row: Result, axis: str) -> Mark | None:
    """Return the point of a row, or None where it lacks one of the two numbers."""
    x, y = row.estimates.get(axis), row.estimates.get("accuracy")
    if x is None or y is None:
        return None
    accuracy = f"{percent(y.value)} (95 %: {interval(y)})"
    difference = row.estimates.get("change")
    change = f"{change_text(difference)} against the original" if difference and row.job.recipe.steps else ""
    instead = "; ".join(row.provisional)
    lines = [
        f"<b>{wrapped(row.job.recipe)}</b>",
        f"<i>{NOT_YET}:</i><br>{escape(instead)}" if instead else "",
        f"accuracy {accuracy}, {y.how} on {y.n} images",
        change,
        f"{axes()[axis].lower()}: {estimate_text(x)}, {x.how}",
    ]
    return Mark(
        x=x.value,
        y=y.value,
        low=y.low,
        high=y.high,
        cost=estimate_text(x),
        accuracy=accuracy,
        text="<br>".join(filter(None, lines)),
        key=row.key,
        change=change,
        instead=instead,
    )


def wrapped(recipe: Recipe) -> str:
    """Return a recipe in words, one step a line."""
    return "<br>→ ".join(escape(step) for step in recipe.steps) or "original"


def pareto(marks: Iterable[Mark]) -> tuple[Mark, ...]:
    """Return the marks that none beats: no other is at most as large and more accurate, or smaller and as accurate."""
    return unbeaten(marks, lambda m: (m.x, m.y))


def tradeoff_info(
    baseline: Result | None,
    current: Result | None,
    trail: Iterable[Result] = (),
    saved: Iterable[Result] = (),
    axis: str = "size_bytes",
    selected: str = "",
) -> TradeoffInfo:
    """Return what to draw for rows of one model on one data set."""
    marked = [(row.job.recipe.is_control, m) for row in saved if (m := mark(row, axis))]
    plain = [m for is_control, m in marked if not is_control]
    controls = [m for is_control, m in marked if is_control]
    base = mark(baseline, axis) if baseline else None
    now = mark(current, axis) if current else None
    counts = current is not None and not current.provisional and not current.job.recipe.is_control
    rivals = [m for m in (base, now if counts else None, *plain) if m]
    passed = tuple(m for row in trail if (m := mark(row, axis)))
    shown = (m for m in (base, now, *plain, *controls, *passed) if m)
    return TradeoffInfo(
        axis=axis,
        baseline=base,
        current=now,
        trail=passed,
        saved=tuple(plain),
        controls=tuple(controls),
        front=pareto(rivals),
        selected=next((m for m in shown if selected and m.key == selected), None),
    )


_STYLES = {
    "selected": (
        "looked at",
        {
            "mode": "markers",
            "marker": {"color": theme.ORANGE, "size": 25, "symbol": "circle-open", "line": {"width": 3}},
            "showlegend": False,  # it is picked by hand: a legend that comes and goes moves the plot
        },
    ),
    "front": ("not beaten", {"mode": "lines", "line": {"color": theme.GREEN, "width": 2, "shape": "hv"}}),
    "trail": (
        "where you came from",
        {
            "mode": "lines+markers",
            "line": {"color": theme.SKY, "width": 1, "dash": "dot"},
            "marker": {"color": theme.SKY, "size": 6, "opacity": 0.6},
        },
    ),
    "saved": ("saved", {"mode": "markers", "marker": {"color": theme.BLUE, "size": 10, "symbol": "square"}}),
    "controls": (
        "control",
        {"mode": "markers", "marker": {"color": theme.PINK, "size": 10, "symbol": "triangle-up-open"}},
    ),
    "baseline": ("original", {"mode": "markers", "marker": {"color": theme.GREY, "size": 13, "symbol": "diamond"}}),
    "provisional": (
        NOT_YET,
        {
            "mode": "markers+text",
            "marker": {"color": theme.RED, "size": 15, "symbol": "circle-open", "line": {"width": 2}},
            "showlegend": False,  # named beside the point: a legend that comes and goes moves the plot
        },
    ),
    "current": ("now", {"mode": "markers", "marker": {"color": theme.RED, "size": 15, "symbol": "circle"}}),
}


def tradeoff_figure(info: TradeoffInfo, dark: bool = False) -> go.FigureWidget:
    """Return the figure; `draw_` brings it up to date later."""
    with figure_widget(dark) as figure:
        for name in info.groups:
            title, style = _STYLES[name]
            hover = (
                {"hoverinfo": "skip"}
                if name in ("front", "selected")
                else {"hovertemplate": "%{hovertext}<extra></extra>"}
            )
            figure.add_trace(go.Scatter(name=title, x=[], y=[], cliponaxis=False, **style, **hover))
        figure.update_layout(
            autosize=True,
            height=430,
            margin={"l": 60, "r": 16, "t": 16, "b": 50},
            legend={"orientation": "h", "yref": "container", "y": 1, "yanchor": "top", "x": 0},
            yaxis={"title": "Accuracy on the test images", "tickformat": theme.PERCENT, "automargin": True},
            uirevision="keep",  # a zoom survives new points
        )
        draw_(figure, info)
    return figure


def draw_(figure: go.FigureWidget, info: TradeoffInfo) -> None:
    """Bring a figure made by `tradeoff_figure` up to date, in place and in one message."""
    seen = [m for marks in info.groups.values() for m in marks]
    furthest = max((m.x for m in seen), default=0)
    with updating(figure):
        for trace, (name, marks) in zip(figure.data, info.groups.items(), strict=True):
            trace.x, trace.y = [m.x for m in marks], [m.y for m in marks]
            trace.hovertext = [m.text for m in marks]
            if name == "provisional":
                trace.text = [f"  {NOT_YET}  " for _ in marks]
                trace.textposition = ["middle left" if m.x > furthest / 2 else "middle right" for m in marks]
            if name in ("saved", "controls", "baseline", "provisional", "current"):
                trace.error_y = {
                    "type": "data",
                    "symmetric": False,
                    "array": [m.high - m.y for m in marks],
                    "arrayminus": [m.y - m.low for m in marks],
                    "thickness": 1.5,
                    "width": 5,
                }
        figure.layout.xaxis.title.text = axes()[info.axis]
        figure.layout.xaxis.ticksuffix = "B" if info.axis == "size_bytes" else ""
        figure.layout.xaxis.rangemode = "tozero"
        if seen:
            # the plot keeps room for the whole interval, and never jumps about while a point moves inside it
            low = min(m.low for m in seen)
            figure.layout.yaxis.range = [max(-0.02, min(0.9, low - 0.05)), 1.0]
            figure.layout.xaxis.range = [0, 1.08 * furthest]


def summary(info: TradeoffInfo) -> str:
    """Return the picture in one sentence, for those who do not see it."""
    if info.baseline is None:
        return "No network measured yet."
    if info.current is None:
        return "No numbers for this recipe."
    if info.current.key == info.baseline.key:
        return (
            f"The original: {info.current.accuracy} accuracy at {info.current.cost}. "
            "Tick a technique and move its slider to make it smaller."
        )
    now, base = info.current, info.baseline
    change = f", {now.change}" if now.change else ""
    if now.instead:
        return f"{capitalised(NOT_YET)}: {now.instead}. It has {now.accuracy} accuracy{change}, at {now.cost}."
    ends = sorted((now.x, base.x))
    ratio = ends[1] / ends[0] if ends[0] else float("inf")
    times = f"{ratio:.1f} times"
    against = "" if times == "1.0 times" else f": {times} {'smaller' if now.x < base.x else 'larger'}"
    return (
        f"Now {now.accuracy} accuracy{change}, at {now.cost}; the original has {base.accuracy} at {base.cost}{against}."
    )
