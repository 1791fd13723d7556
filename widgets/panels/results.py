"""The saved results of this model on this data, as a table."""

from __future__ import annotations

from widgets.figures.tradeoff import axes
from widgets.panels._panel import Panel
from widgets.panels.tradeoff import restore
from widgets.state import AppState
from widgets.table import Table
from widgets.text import estimate_text, interval, percent
from workbench.result import Result


class ResultsPanel(Panel):
    """What was saved, also by earlier visits; a row goes back into the sliders or is removed."""

    def __init__(self, state: AppState | None = None) -> None:
        super().__init__("Saved results", state)
        actions = {"Restore": lambda key: restore(self.state, key), "Remove": self.engine.remove}
        columns = ["Recipe", "Accuracy (95 %)", *axes().values()]
        described = [{"title": title, "number": index > 0} for index, title in enumerate(columns)]
        self.table = Table(described, actions, empty="Nothing saved yet: move a slider, then press Save this point.")
        self.show(self.table)
        self.follow(self._draw, ["saved"])

    def _draw(self) -> None:
        self.table.rows = [{"key": row.key, "cells": cells(row)} for row in self.state.saved]


def cells(row: Result) -> list[dict[str, object]]:
    """Return the cells of a row: what is shown, and what is compared when the table is sorted."""
    accuracy = row.estimates["accuracy"]
    name = str(row.job.recipe) + (" (control)" if row.job.recipe.is_control else "")
    counted = [row.estimates.get(name) for name in axes()]
    return [
        {"text": name, "sort": name},
        {"text": f"{percent(accuracy.value)} ({interval(accuracy)})", "sort": accuracy.value},
        *({"text": estimate_text(e), "sort": e.value} if e else _UNKNOWN for e in counted),
    ]


_UNKNOWN = {"text": "–", "sort": float("-inf")}
"""The cell of a row that was saved before the measure of its column existed."""
