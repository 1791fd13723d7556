"""One inference on each device as a point: milliseconds on a logarithmic axis, with what is between best and worst."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import plotly.graph_objects as go

from widgets import theme
from widgets.figures._figure import figure_widget
from widgets.figures._live import updating
from widgets.text import milliseconds
from workbench.devices.roofline import Forecast

FITS, NOT = "fits", "does not fit"
_COLOURS = {FITS: "#0072B2", NOT: "#D55E00"}
_ROW = 24


@dataclass(frozen=True, kw_only=True)
class DevicesInfo:
    """The devices that a network runs on, the quickest first."""

    names: tuple[str, ...] = ()
    low: tuple[float, ...] = ()
    typical: tuple[float, ...] = ()
    high: tuple[float, ...] = ()
    fits: tuple[str, ...] = ()

    @property
    def texts(self) -> tuple[str, ...]:
        """What is said of each device."""
        rows = zip(self.names, self.low, self.typical, self.high, self.fits, strict=True)
        return tuple(
            f"<b>{name}</b><br>{milliseconds(usual)}, {milliseconds(low)} to {milliseconds(high)}<br>{fits}"
            for name, low, usual, high, fits in rows
        )


def devices_info(forecasts: Iterable[Forecast]) -> DevicesInfo:
    """Return the forecasts that have a latency."""
    found = [(each, each.latency_ms) for each in forecasts if each.latency_ms is not None]
    found.sort(key=lambda pair: pair[1].value)
    return DevicesInfo(
        names=tuple(each.profile.title for each, _ in found),
        low=tuple(latency.low for _, latency in found),
        typical=tuple(latency.value for _, latency in found),
        high=tuple(latency.high for _, latency in found),
        fits=tuple(FITS if each.runs else NOT for each, _ in found),
    )


def devices_figure(dark: bool) -> go.FigureWidget:
    """Return a figure without devices."""
    with figure_widget(dark) as figure:
        for kind, colour in _COLOURS.items():
            figure.add_scatter(  # no bars: a logarithmic axis has no zero for them to start from
                name=kind,
                mode="markers",
                marker={"color": colour, "size": 9},
                error_x={"type": "data", "symmetric": False, "color": colour, "thickness": 2},
                hovertemplate="%{customdata}<extra></extra>",
            )
        figure.update_layout(height=120, showlegend=False, margin={"l": 8, "r": 16, "t": 8, "b": 40})
        figure.update_xaxes(
            type="log", title_text="ms for one image, modelled: best, as a rule, worst", dtick=1, title_font_size=13
        )
        figure.update_yaxes(autorange="reversed", automargin=True, type="category")
    return figure


def draw_(figure: go.FigureWidget, info: DevicesInfo) -> None:
    """Draw other forecasts into the figure."""
    with updating(figure):
        for trace in figure.data:
            mine = [number for number, kind in enumerate(info.fits) if kind == trace.name]
            trace.y = [info.names[number] for number in mine]
            trace.x = [info.typical[number] for number in mine]
            trace.customdata = [info.texts[number] for number in mine]
            trace.error_x.array = [info.high[number] - info.typical[number] for number in mine]
            trace.error_x.arrayminus = [info.typical[number] - info.low[number] for number in mine]
        figure.layout.height = 70 + _ROW * max(2, len(info.names))
        figure.update_yaxes(categoryorder="array", categoryarray=list(info.names))


def dress_(figure: go.FigureWidget, dark: bool) -> None:
    """Give the figure the colours of the page."""
    with updating(figure):
        figure.update_layout(theme.plot_layout(dark))
