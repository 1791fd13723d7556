"""A contest of methods: how far each one's answers are from those of the original, as dots on a logarithmic scale."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import plotly.graph_objects as go

from widgets import theme
from widgets.figures._figure import figure_widget
from widgets.figures._live import updating
from widgets.text import capitalised, escape
from workbench.measure._intervals import wilson
from workbench.recipe import Step
from workbench.reconstruction.contest import Entry
from workbench.reconstruction.rounding import Rounding
from workbench.reconstruction.supports import Score
from workbench.registry import roundings, scores

_SMALLEST = 1e-7
"""Divergences below are rounding errors, and have no place on a logarithmic scale."""
_ROW_PIXELS = 26


@dataclass(frozen=True, kw_only=True)
class Rival:
    """One method and how it did."""

    step: Step
    title: str
    paper: str
    """Its address, or nothing."""
    role: str
    """`auto` for the one that "auto" uses, `control`, or nothing."""
    divergence: float
    """In nats; infinite where the network is broken."""
    divergences: tuple[float, float]
    """Its 95 % interval."""
    agreement: float
    low: float
    high: float
    """The 95 % interval of the agreement."""
    seconds: float


@dataclass(frozen=True, kw_only=True)
class ContestInfo:
    """What the picture and the table show, the best first."""

    rivals: tuple[Rival, ...] = ()
    images: int = 0


def contest_info(entries: Iterable[Entry], auto: Step | None = None) -> ContestInfo:
    """Return what is shown of the entries so far; `auto` is the step that "auto" stands for, where that is known."""
    entries = tuple(entries)
    rivals = sorted((_rival(entry, auto) for entry in entries), key=lambda rival: rival.divergence)
    return ContestInfo(rivals=tuple(rivals), images=entries[0].images if entries else 0)


def _rival(entry: Entry, auto: Step | None) -> Rival:
    method = next(_methods(entry.step), None)
    low, high = wilson(entry.agreement * entry.images, entry.images)
    paper = method.paper if method else entry.step.paper
    return Rival(
        step=entry.step,
        title=capitalised(method.title) if method else str(entry.step),
        paper=next((word.strip(";,") for word in paper.split() if word.startswith("https://")), ""),
        role="auto" if entry.step == auto else "control" if is_control(entry.step) else "",
        divergence=entry.divergence,
        divergences=(entry.low, entry.high),
        agreement=entry.agreement,
        low=low,
        high=high,
        seconds=entry.seconds,
    )


def _methods(step: Step) -> Iterator[type[Rounding] | type[Score]]:
    """Yield what is registered under the values of the fields that a contest decides."""
    for name in step.rivals[0]:
        value = getattr(step, name)
        if value in roundings:
            yield roundings.get(value)
        if value in scores:
            yield scores.get(value)


def is_control(step: Step) -> bool:
    """Return whether the method of a step is that of its control arm."""
    changes = step.control.changes if step.control else {}
    decided = [name for name in step.rivals[0] if name in changes]
    return bool(decided) and all(getattr(step, name) == changes[name] for name in decided)


_MARKERS = {
    "": ("method", theme.BLUE, "circle"),
    "auto": ("what auto uses", theme.RED, "diamond"),
    "control": ("control", theme.PINK, "triangle-up-open"),
}


def contest_figure(rivals: int, dark: bool = False) -> go.FigureWidget:
    """Return an empty figure with room for so many rivals; `draw_` fills it.

    Its height is fixed from the start: plotly stops following the width of the page once a height is changed.
    """
    with figure_widget(dark) as figure:
        for title, color, symbol in _MARKERS.values():
            figure.add_trace(
                go.Scatter(
                    name=title,
                    x=[],
                    y=[],
                    mode="markers",
                    marker={"color": color, "symbol": symbol, "size": 12, "line": {"width": 2, "color": color}},
                    hovertemplate="%{hovertext}<extra></extra>",
                    cliponaxis=False,
                )
            )
        figure.update_layout(
            autosize=True,
            height=110 + _ROW_PIXELS * rivals,
            margin={"l": 10, "r": 16, "t": 10, "b": 44},
            legend={"orientation": "h", "yref": "container", "y": 1, "yanchor": "top", "x": 0},
            xaxis={
                "title": "Divergence (nats)",
                "type": "log",
            },
            yaxis={"automargin": True, "range": [rivals - 0.5, -0.5], "type": "category", "showgrid": True},
        )
        draw_(figure, ContestInfo())
    return figure


def draw_(figure: go.FigureWidget, info: ContestInfo) -> None:
    """Bring the figure up to date, in place and in one message."""
    shown = [rival for rival in info.rivals if math.isfinite(rival.divergence)]
    with updating(figure):
        for trace, role in zip(figure.data, _MARKERS, strict=True):
            mine = [rival for rival in shown if rival.role == role]
            middles = [max(_SMALLEST, rival.divergence) for rival in mine]
            trace.x = middles  # read back only after the batch
            trace.y = [rival.title for rival in mine]
            trace.error_x = {
                "type": "data",
                "symmetric": False,
                "array": [max(0.0, rival.divergences[1] - x) for rival, x in zip(mine, middles, strict=True)],
                "arrayminus": [
                    max(0.0, x - max(_SMALLEST, rival.divergences[0])) for rival, x in zip(mine, middles, strict=True)
                ],
                "thickness": 1.5,
                "width": 5,
            }
            trace.hovertext = [f"{escape(rival.title)}: {divergence_text(rival)}" for rival in mine]
        axis = [max(_SMALLEST, end) for rival in shown for end in rival.divergences]
        figure.layout.xaxis.tickvals = ticks(axis)
        figure.layout.xaxis.ticktext = [f"{tick:.3g}" for tick in ticks(axis)]
        figure.layout.yaxis.categoryorder = "array"
        figure.layout.yaxis.categoryarray = [rival.title for rival in shown]


def ticks(values: Sequence[float]) -> list[float]:
    """Return a few round numbers that cover positive values on a logarithmic axis: every 1, 2, 5, or only powers of 10.

    Plotly's own are so many that they run into each other.
    """
    if not values:
        return []
    low, high = (math.log10(end) for end in (min(values), max(values)))
    digits = (1, 2, 5) if high - low < 1.5 else (1,)
    every = max(1, math.ceil((high - low) / 6))
    powers = range(math.floor(low), math.ceil(high) + 1)
    return [float(f"{digit}e{power}") for power in powers if power % every == 0 for digit in digits]


def divergence_text(rival: Rival) -> str:
    """Return a divergence with its interval in words, and what an infinite one means."""
    if not math.isfinite(rival.divergence):
        return "broken: its scores are not numbers"
    low, high = rival.divergences
    return f"{rival.divergence:.3g} nats ({low:.2g} to {high:.2g})"
