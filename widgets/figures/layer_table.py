"""The layers of a network as rows of a table that sorts; each number has a bar, which shows the largest at once."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from widgets.figures.layers import digits
from widgets.text import interval, percent, quantity
from workbench.layerwise.rows import LayerRow, LayerView
from workbench.result import Estimate

Cell = dict[str, object]
Times = Mapping[str, Estimate]
"""How long layers take, in ms, by name."""
FLOAT_BITS = 32


def columns(times: Times | None) -> list[dict[str, object]]:
    """Return the headings; that of the time only where there are times."""
    titles = {
        "Bytes": "in the packed file: weights and biases",
        "MACs": "multiply-adds for one image",
        **({"ms": "measured for one layer"} if times else {}),
        "Bits": "of a weight",
        "Zeros": "share of the weights that are zero",
        "Error now": "how far the outputs of the layer have moved, as a share of how much they vary: "
        "how sensitive it is to the present recipe",
    }
    numbers = [{"title": title, "hint": hint, "number": True, "largest": True} for title, hint in titles.items()]
    return [{"title": "Layer"}, *numbers]


def rows(view: LayerView | None, times: Times | None = None) -> list[dict[str, object]]:
    """Return the rows, in the order in which the layers run; keys are their names."""
    found = () if view is None else view.rows
    counted: list[Callable[[LayerRow], Cell]] = [
        _against_largest(found, lambda row: row.now.size_bytes),
        _against_largest(found, lambda row: row.now.macs),
        *([_time(times)] if times else []),
        lambda row: {"text": f"{row.now.bits}", "sort": row.now.bits, "bar": row.now.bits / FLOAT_BITS},
        lambda row: {"text": percent(row.now.sparsity, 0), "sort": row.now.sparsity, "bar": row.now.sparsity},
        _error(found),
    ]
    return [
        {"key": row.name, "cells": [{"text": row.name, "sort": place}, *(cell(row) for cell in counted)]}
        for place, row in enumerate(found)
    ]


def _against_largest(found: tuple[LayerRow, ...], read: Callable[[LayerRow], float]) -> Callable[[LayerRow], Cell]:
    largest = max(map(read, found), default=0) or 1
    return lambda row: {"text": quantity(read(row)), "sort": read(row), "bar": read(row) / largest}


def _time(times: Times) -> Callable[[LayerRow], Cell]:
    largest = max((time.value for time in times.values()), default=0.0) or 1.0
    return lambda row: _estimate(times.get(row.name), largest, lambda value: f"{value:.3g}")


def _error(found: tuple[LayerRow, ...]) -> Callable[[LayerRow], Cell]:
    largest = max((row.error.value for row in found if row.error is not None), default=0.0) or 1.0
    return lambda row: (
        _estimate(row.error, largest, lambda value: percent(value, digits(value)))
        | ({"hint": row.reason} if row.reason else {})
    )


def _estimate(estimate: Estimate | None, largest: float, say: Callable[[float], str]) -> Cell:
    if estimate is None:
        return {"text": "–", "sort": None}
    hint = f"{estimate.how}, 95 %: {interval(estimate)}"
    return {"text": say(estimate.value), "sort": estimate.value, "bar": estimate.value / largest, "hint": hint}
