"""Plotly figures that change while nobody looks: made in a cell, drawn by a thread, shown later by a page."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import plotly.graph_objects as go

CONFIG = {
    "responsive": True,
    "displaylogo": False,
    "modeBarButtons": [["zoom2d", "pan2d", "resetScale2d", "toImage"]],  # none that sends the chart anywhere
}


@contextmanager
def updating(figure: go.FigureWidget) -> Iterator[None]:
    """Send all changes made inside as one message, and keep them for pages that open the figure later.

    A FigureWidget sends each change to the pages that show it, but writes down what a new page would need only when it
    is itself displayed (in `_repr_mimebundle_`), which never happens inside a box. Without this, Voila's page, which
    loads after the cell has run, would show the figure as it was made: empty.
    """
    with figure.batch_update():
        yield
    plain = figure.to_dict()
    figure._widget_data = plain["data"]
    figure._widget_layout = plain["layout"]
