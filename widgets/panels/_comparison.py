"""Rows of the history side by side."""

from __future__ import annotations

import ipywidgets as ipw

from widgets.figures.tradeoff import axes
from widgets.table import Table
from widgets.text import change_text, estimate_text, interval, percent
from workbench.comparison import difference
from workbench.result import Result

_TITLES = ("Recipe", "Model on data", "Accuracy (95 %)", "Difference from the first")
_READING = (
    "<details><summary>How to read the differences</summary>In points, with 95 % intervals. <i>Paired</i>: both "
    "networks were compared image by image, which is only kept for a row and its own original. <i>Not paired</i>: the "
    "interval is that of two independent measurements, wider than it has to be where both saw the same images. Rows on "
    "other images have no difference that means anything.</details>"
)


class Comparison(ipw.VBox):
    """A table of some rows, and what each differs in from the first."""

    def __init__(self) -> None:
        titles = (*_TITLES, *axes().values())
        self.table = Table([{"title": title, "number": number > 1} for number, title in enumerate(titles)], {})
        super().__init__([ipw.HTML("<h3>Compared</h3>"), self.table, ipw.HTML(_READING)])
        self.draw([])

    def draw(self, rows: list[Result]) -> None:
        """Show these rows; nothing where there are fewer than two."""
        self.layout.display = None if len(rows) > 1 else "none"
        self.table.rows = [{"key": row.key, "cells": _cells(rows[0], row)} for row in rows]


def _cells(first: Result, row: Result) -> list[dict[str, object]]:
    accuracy, recipe = row.estimates.get("accuracy"), str(row.job.recipe)
    named = recipe + (" (control)" if row.job.recipe.is_control else "")
    where = f"{row.job.model.name} on {row.job.data.name}"
    counted = [row.estimates.get(name) for name in axes()]
    return [
        {"text": named, "sort": named},
        {"text": where, "sort": where},
        {"text": f"{percent(accuracy.value)} ({interval(accuracy)})", "sort": accuracy.value} if accuracy else _UNKNOWN,
        _difference(first, row),
        *({"text": estimate_text(e), "sort": e.value, "hint": e.how} if e else _UNKNOWN for e in counted),
    ]


def _difference(first: Result, row: Result) -> dict[str, object]:
    if row.key == first.key:
        return {"text": "the first", "sort": 0.0}
    found = difference(first, row)
    if found is None:
        return {"text": "other images", "sort": None}
    words = "paired" if found.paired else "not paired"
    return {"text": f"{change_text(found.estimate)}, {words}", "sort": found.estimate.value}


_UNKNOWN = {"text": "–", "sort": None}
"""The cell of a row that was measured before the measure of its column existed."""
