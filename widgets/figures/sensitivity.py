"""What each layer bears: a heat map of layers and settings, and the same as curves.

Each cell says its number, and its colour only repeats it. A cell whose number stands on few images has a tilde.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import plotly.graph_objects as go

from widgets import theme
from widgets.figures._figure import figure_widget
from widgets.figures._live import updating
from widgets.text import capitalised, change_text, escape, points
from workbench.recipe import PerLayer, Step
from workbench.result import Estimate
from workbench.search.sensitivity import Sensitivity, harshest_first

SHADES = ("drop", "divergence")
"""What the heat map may show."""
TITLES = {"drop": "Drop in accuracy (points)", "divergence": "Divergence (nats)"}
_ROW_PIXELS = 24
_SMALLEST = 1e-6
"""Divergences below have no colour, and no height, of their own."""
_LEAST = 1e-4
"""Divergences below are not told apart in a cell: no answer differs there."""


@dataclass(frozen=True, kw_only=True)
class SensitivityInfo:
    """Layers from the first to the last, settings from the mildest to the harshest, and what is known of each pair."""

    layers: tuple[str, ...] = ()
    values: tuple[Any, ...] = ()
    settings: tuple[str, ...] = ()
    """The values in words."""
    items: dict[tuple[str, Any], Sensitivity] = field(default_factory=dict)

    def item(self, layer: str, value: Any) -> Sensitivity | None:
        """Return what is known of a pair."""
        return self.items.get((layer, value))


def sensitivity_info(
    items: Iterable[Sensitivity], layers: Iterable[str], technique: type[Step] | None
) -> SensitivityInfo:
    """Return what is shown of the items so far, for all layers of the network."""
    known = {(item.layer, item.value): item for item in items}
    if technique is None:
        return SensitivityInfo(layers=tuple(layers))
    values = harshest_first(technique, {value for _, value in known} or set(technique.positions[:3]))[::-1]
    settings = tuple(setting_text(technique, value) for value in values)
    return SensitivityInfo(layers=tuple(layers), values=values, settings=settings, items=known)


def setting_text(technique: type[Step], value: Any) -> str:
    """Return a setting in words: `4 bits`, `50 %`."""
    (spec,) = (item.spec.item for item in technique.fields() if isinstance(item.spec, PerLayer))
    return f"{100 * value:.4g} %" if getattr(spec, "percent", False) else f"{value} {technique.slider}"


def cell_text(item: Sensitivity | None, shade: str) -> str:
    """Return what a cell says: nothing is not known yet, and a dash is what the technique cannot do."""
    if item is None:
        return ""
    if item.judgement is None:
        return "–"
    estimate: Estimate = getattr(item.judgement, shade)
    text = points(estimate.value).removeprefix("+") if shade == "drop" else _nats(estimate.value)
    return f"~{text}" if item.rough else text


def _nats(value: float) -> str:
    """Return a divergence with two digits, as short as a cell is narrow."""
    if not math.isfinite(value):
        return "broken"
    return f"{value:.2g}" if value >= _LEAST or value == 0 else f"<{_LEAST:.4f}"


def hover_text(item: Sensitivity | None, layer: str, setting: str) -> str:
    """Return all that is known of a cell as HTML."""
    head = f"<b>{escape(layer)}</b>, {escape(setting)}"
    if item is None:
        return f"{head}<br>not measured yet"
    if item.judgement is None:
        return f"{head}<br>{escape(item.why)}"
    drop, far = item.judgement.drop, item.judgement.divergence
    score = "" if item.score is None else f"<br>cheap score: {item.score:.3g} of its outputs lost"
    return (
        f"{head}<br>drop in accuracy: {change_text(drop).removeprefix('+')}"
        f"<br>divergence: {far.value:.3g} nats ({far.low:.2g} to {far.high:.2g}){score}"
        f"<br>on {drop.n} validation images{', a first look' if item.rough else ''}"
    )


def colour(item: Sensitivity | None, shade: str) -> float | None:
    """Return where on the colour scale a cell is: points of accuracy, or the logarithm of a divergence."""
    if item is None or item.judgement is None:
        return None
    value = getattr(item.judgement, shade).value
    if shade == "drop":
        return 100 * value
    return math.log10(min(max(value, _SMALLEST), 100.0))


def height(layers: int) -> int:
    """Return the height in pixels of a heat map of so many layers."""
    return 110 + _ROW_PIXELS * max(1, layers)


def heat_figure(layers: int, dark: bool = False) -> go.FigureWidget:
    """Return an empty heat map with room for so many layers; `draw_heat_` fills it. Its height is fixed."""
    with figure_widget(dark) as figure:
        figure.add_trace(
            go.Heatmap(
                x=[],
                y=[],
                z=[],
                texttemplate="%{text}",
                hovertemplate="%{customdata}<extra></extra>",
                xgap=2,
                ygap=2,
                hoverongaps=True,
                colorscale=[[0, "#eaf2f8"], [0.5, theme.SKY], [1, "#00385a"]],
                colorbar={"thickness": 12, "outlinewidth": 0, "tickfont": {"size": 11}},
            )
        )
        figure.update_layout(
            autosize=True,
            height=height(layers),
            margin={"l": 10, "r": 10, "t": 34, "b": 36},
            xaxis={"type": "category", "showgrid": False, "fixedrange": True},
            yaxis={
                "type": "category",
                "automargin": True,
                "showgrid": False,
                "autorange": "reversed",
                "fixedrange": True,
            },
            title={"font": {"size": 13}, "x": 0, "xanchor": "left", "y": 0.99, "yanchor": "top"},
        )
    return figure


def draw_heat_(figure: go.FigureWidget, info: SensitivityInfo, shade: str, layer: str) -> None:
    """Bring the heat map up to date, in place; the layer that is looked at has a mark."""
    rows = [[info.item(name, value) for value in info.values] for name in info.layers]
    numbers = [[colour(item, shade) for item in row] for row in rows]
    known = [number for row in numbers for number in row if number is not None]
    low, high = _span(known, shade)
    with updating(figure):
        (trace,) = figure.data
        trace.x, trace.y = info.settings, info.layers
        trace.z = numbers
        trace.zmin, trace.zmax = low, high
        trace.text = [[cell_text(item, shade) for item in row] for row in rows]
        trace.customdata = [
            [hover_text(item, name, setting) for item, setting in zip(row, info.settings, strict=True)]
            for name, row in zip(info.layers, rows, strict=True)
        ]
        figure.layout.title.text = TITLES[shade]
        figure.layout.yaxis.tickvals = info.layers
        figure.layout.yaxis.ticktext = [f"<b>▸ {escape(n)}</b>" if n == layer else escape(n) for n in info.layers]
        ticks = range(math.ceil(low), math.floor(high) + 1) if shade == "divergence" else []
        trace.colorbar.tickvals = list(ticks) or None
        trace.colorbar.ticktext = [f"{10.0**tick:.3g}" for tick in ticks] or None


def _span(known: list[float], shade: str) -> tuple[float, float]:
    if shade == "drop":
        return 0.0, max(1.0, max(known, default=1.0))
    low = math.floor(min(known, default=-4.0))
    return low, max(low + 1.0, max(known, default=0.0))


def curves_figure(dark: bool = False) -> go.FigureWidget:
    """Return an empty figure of curves; `draw_curves_` fills it."""
    with figure_widget(dark) as figure:
        figure.add_trace(
            go.Scatter(
                name="other layers",
                x=[],
                y=[],
                mode="lines",
                line={"color": theme.GREY, "width": 1},
                opacity=0.8,
                hovertemplate="%{hovertext}<extra></extra>",
            )
        )
        figure.add_trace(
            go.Scatter(
                name="",
                x=[],
                y=[],
                mode="lines+markers",
                line={"color": theme.ORANGE, "width": 3},
                marker={"size": 8},
                hovertemplate="%{hovertext}<extra></extra>",
            )
        )
        figure.update_layout(
            autosize=True,
            height=280,
            margin={"l": 56, "r": 10, "t": 34, "b": 36},
            legend={"orientation": "h", "yref": "container", "y": 1, "yanchor": "top", "x": 0},
            xaxis={"type": "category", "fixedrange": True},
        )
    return figure


def draw_curves_(figure: go.FigureWidget, info: SensitivityInfo, shade: str, layer: str) -> None:
    """Bring the curves up to date, in place: a thin line for each layer, and a strong one for that looked at."""
    others = [name for name in info.layers if name != layer]
    pairs = list(zip(info.values, info.settings, strict=True))
    low, middle, high = (_line(info, layer, shade, end) for end in ("low", "value", "high"))
    with updating(figure):
        thin, strong = figure.data
        thin.x = [setting for _ in others for setting in (*info.settings, None)]
        thin.y = [y for name in others for y in (*_line(info, name, shade, "value"), None)]
        thin.hovertext = [
            text for name in others for text in (*(hover_text(info.item(name, v), name, s) for v, s in pairs), "")
        ]
        strong.name = escape(layer) or "no layer"
        strong.x, strong.y = info.settings, middle
        strong.error_y = {
            "type": "data",
            "symmetric": False,
            "array": [_gap(a, b) for a, b in zip(middle, high, strict=True)],
            "arrayminus": [_gap(a, b) for a, b in zip(low, middle, strict=True)],
            "thickness": 1.5,
            "width": 5,
        }
        strong.hovertext = [hover_text(info.item(layer, value), layer, setting) for value, setting in pairs]
        figure.layout.xaxis.categoryorder = "array"
        figure.layout.xaxis.categoryarray = info.settings
        figure.layout.yaxis.type = "log" if shade == "divergence" else "linear"
        figure.layout.yaxis.dtick = 1 if shade == "divergence" else None
        figure.layout.yaxis.title.text = TITLES[shade]


def _line(info: SensitivityInfo, layer: str, shade: str, end: str) -> list[float | None]:
    """Return one end of the interval, or its middle, at each setting, with gaps where nothing is known or finite."""
    found: list[float | None] = []
    for value in info.values:
        item = info.item(layer, value)
        number = math.inf if item is None or item.judgement is None else getattr(getattr(item.judgement, shade), end)
        shown = 100 * number if shade == "drop" else max(_SMALLEST, number)
        found.append(shown if math.isfinite(shown) else None)
    return found


def _gap(a: float | None, b: float | None) -> float:
    return 0.0 if a is None or b is None else b - a


def row_cells(item: Sensitivity, setting: str) -> list[dict[str, object]]:
    """Return the cells of a row of the table: the cheap score beside what was measured."""
    head: list[dict[str, object]] = [
        {"text": item.layer, "sort": item.layer},
        {"text": setting, "sort": item.value},
    ]
    if item.judgement is None:
        return [*head, {"text": capitalised(item.why), "sort": None}, *[{"text": "–", "sort": None}] * 3]
    drop, far = item.judgement.drop, item.judgement.divergence
    return [
        *head,
        {"text": "–", "sort": None} if item.score is None else {"text": f"{item.score:.3g}", "sort": item.score},
        {"text": f"{far.value:.3g} ({far.low:.2g} to {far.high:.2g})", "sort": min(far.value, 1e300)},
        {"text": change_text(drop).removeprefix("+"), "sort": drop.value},
        {"text": f"{item.saved_bytes:,} B", "sort": item.saved_bytes},
    ]
