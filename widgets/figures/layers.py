"""The layers of a network side by side: bytes, zeros, bits and error as bars on one axis of layers."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

import plotly.graph_objects as go

from widgets import theme
from widgets.figures._figure import figure_widget
from widgets.figures._live import CONFIG, updating
from widgets.text import escape, percent, quantity
from workbench.layerwise.rows import LayerFacts, LayerRow, LayerView

ROW_PIXELS = 22
"""Of each layer, however many there are: the box around the figure scrolls."""
_LONGEST = 24
_ROOM = 1.6
"""How much longer than the longest bar an axis is, so that there is room for the words behind it."""


@dataclass(frozen=True)
class Bar:
    """One number of one layer: its bar, the outline of what it was, its interval, and what it says."""

    value: float | None
    before: float | None
    low: float | None
    high: float | None
    text: str

    @property
    def end(self) -> float:
        """Where the last that is drawn of it ends."""
        return max((x for x in (self.value, self.before, self.high) if x is not None), default=0.0)


@dataclass(frozen=True, kw_only=True)
class LayersInfo:
    """What the picture shows: layers from top to bottom, four numbers of each from left to right."""

    names: tuple[str, ...]
    own: tuple[bool, ...]
    """Which layers have settings of their own."""
    columns: dict[str, tuple[Bar, ...]]
    """Bars of all layers by the title of their number."""
    hover: tuple[str, ...]
    """All that is known of a layer, as HTML of plotly."""

    @property
    def labels(self) -> tuple[str, ...]:
        """Names as the axis shows them: the end of long ones, and a mark at layers with settings of their own."""
        short = (name if len(name) <= _LONGEST else f"…{name[1 - _LONGEST :]}" for name in self.names)
        return tuple(f"{escape(name)} ●" if own else escape(name) for name, own in zip(short, self.own, strict=True))

    def reach(self, title: str) -> float:
        """Return the length of the axis of a column."""
        return _ROOM * (max((bar.end for bar in self.columns[title]), default=0.0) or 1.0)


SIZE, ZEROS, BITS, ERROR = "Bytes", "Zero weights", "Bits", "Output error"


def layers_info(view: LayerView | None, own: Collection[str] = ()) -> LayersInfo:
    """Return what to draw; `own` names the layers with settings of their own."""
    rows = () if view is None else view.rows
    return LayersInfo(
        names=tuple(row.name for row in rows),
        own=tuple(row.name in own for row in rows),
        columns={
            SIZE: tuple(_counted(row, lambda facts: facts.size_bytes, lambda x: quantity(x, "bytes")) for row in rows),
            ZEROS: tuple(_counted(row, lambda facts: facts.sparsity, lambda x: percent(x, 0)) for row in rows),
            BITS: tuple(_counted(row, lambda facts: facts.bits, lambda x: f"{x}") for row in rows),
            ERROR: tuple(_error(row) for row in rows),
        },
        hover=tuple("<br>".join(facts_of(row)) for row in rows),
    )


def _counted(row: LayerRow, read: object, say: object) -> Bar:
    now = read(row.now)
    return Bar(now, None if row.before is None else read(row.before), None, None, say(now))


def _error(row: LayerRow) -> Bar:
    if row.error is None:
        return Bar(None, None, None, None, "–")
    return Bar(row.error.value, None, row.error.low, row.error.high, percent(row.error.value, digits(row.error.value)))


def digits(fraction: float) -> int:
    """Return how many digits of a percentage tell it from none."""
    return 2 if 0 < fraction < 0.01 else 1


def facts_of(row: LayerRow) -> tuple[str, ...]:
    """Return what is known of a layer, a line for each fact, safe as HTML."""
    if row.error is None:
        error = f"error of the output: none, because {escape(row.reason)}"
    else:
        e = row.error
        places = digits(e.value)
        error = (
            f"error of the output: {percent(e.value, places)} "
            f"(95 %: {100 * e.low:.{places}f} to {100 * e.high:.{places}f} %), measured on {e.n} images"
        )
    shape = " x ".join(map(str, row.shape))
    return (f"<b>{escape(row.name)}</b>: {escape(row.kind)}, {shape}", *_counts(row.now, row.before), error)


def _counts(now: LayerFacts, before: LayerFacts | None) -> tuple[str, ...]:
    was = "" if before is None else f", {quantity(before.size_bytes, 'bytes')} in the original"
    zeros = "" if before is None or before.sparsity == 0 else f", {percent(before.sparsity)} in the original"
    work = "" if before is None or before.macs == now.macs else f", {quantity(before.macs)} in the original"
    return (
        f"{quantity(now.size_bytes, 'bytes')} in the file{was}",
        f"{percent(now.sparsity)} of the weights are zero{zeros}",
        f"{now.bits} bits a weight, {quantity(now.parameters)} parameters, {quantity(now.macs)} MACs{work}",
    )


def layers_figure(info: LayersInfo, selected: str = "", dark: bool = False) -> go.FigureWidget:
    """Return the figure; `draw_` brings it up to date while the number of layers stays.

    A page that is told another height forgets to follow the width. The trace `layers` of each column takes the clicks.
    """
    with figure_widget(dark) as figure:
        titles = tuple(info.columns)
        for number, title in enumerate(titles, 1):
            place = {"xaxis": f"x{number}", "yaxis": "y"}
            silent = {"orientation": "h", "hoverinfo": "skip", "x": [], "y": []}
            hover = {"orientation": "h", "hovertemplate": "%{hovertext}<extra></extra>", "width": 1}
            figure.add_trace(go.Bar(name="layers", x=[], y=[], marker={"line": {"width": 0}}, **hover, **place))
            outline = {"color": "rgba(0,0,0,0)", "line": {"color": theme.GREY, "width": 1}}
            figure.add_trace(go.Bar(name=f"{title}: original", marker=outline, width=0.74, **silent, **place))
            figure.add_trace(go.Bar(name=title, width=0.62, marker={"line": {"width": 0}}, **silent, **place))
            words = {"mode": "text", "textposition": "middle right", "hoverinfo": "skip", "textfont": {"size": 12}}
            figure.add_trace(go.Scatter(name=f"{title}: words", x=[], y=[], cliponaxis=False, **words, **place))
        wide = 1 / len(titles)
        for number in range(1, len(titles) + 1):
            figure.layout[f"xaxis{number}"] = theme.plot_layout(dark)["xaxis"] | {
                "domain": [(number - 1) * wide, number * wide - 0.015],
                "anchor": "y",
                "showticklabels": False,
                "showgrid": False,
                "fixedrange": True,
            }
        figure.update_layout(
            autosize=True,
            barmode="overlay",
            showlegend=False,
            hovermode="closest",
            yaxis={"showgrid": False, "zeroline": False, "fixedrange": True, "tickfont": {"size": 12}},
        )
        figure.layout.height = ROW_PIXELS * max(1, len(info.names)) + 8
        figure._config = CONFIG | {"displayModeBar": False}
        draw_(figure, info, selected)
    return figure


def draw_(figure: go.FigureWidget, info: LayersInfo, selected: str = "") -> None:
    """Bring a figure made by `layers_figure` up to date, in place and in one message."""
    places = list(range(len(info.names)))
    fill = [theme.ORANGE if own else theme.BLUE for own in info.own]
    light = ["rgba(86,180,233,0.25)" if name == selected else "rgba(0,0,0,0)" for name in info.names]
    with updating(figure):
        for number, (title, bars) in enumerate(info.columns.items()):
            whole, outline, bar, words = figure.data[4 * number : 4 * number + 4]
            outline.y = bar.y = words.y = whole.y = places
            outline.x = [b.before for b in bars]
            bar.x = [b.value for b in bars]
            bar.marker.color = fill
            if any(b.high is not None for b in bars):
                bar.error_x = {
                    "type": "data",
                    "symmetric": False,
                    "array": [_past(b.value, b.high) for b in bars],
                    "arrayminus": [_past(b.low, b.value) for b in bars],
                    "thickness": 1.2,
                    "width": 3,
                    "color": theme.GREY,
                }
            words.x = [b.end for b in bars]
            words.text = [f" {b.text}" for b in bars]
            reach = info.reach(title)
            whole.x = [reach] * len(bars)
            whole.hovertext = info.hover
            whole.marker.color = light
            figure.layout[f"xaxis{number + 1}"].range = [0, reach]
        figure.layout.yaxis.tickvals = places
        figure.layout.yaxis.ticktext = info.labels
        figure.layout.yaxis.range = [len(places) - 0.5, -0.5]
        figure.layout.margin = {"l": margin(info), "r": 4, "t": 4, "b": 4}


def margin(info: LayersInfo) -> int:
    """Return how many pixels the names of the layers take."""
    return 16 + 7 * max((len(label) for label in info.labels), default=0)


def _past(start: float | None, end: float | None) -> float:
    return 0.0 if start is None or end is None else end - start
