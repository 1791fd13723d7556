"""Every result that was ever measured: found again, marked, compared, and put back into the sliders."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import ipywidgets as ipw

from widgets import theme
from widgets.bridge.history import Look
from widgets.bridge.offered import Offered
from widgets.copy_link import CopyLink
from widgets.download import DownloadButton
from widgets.figures._live import updating
from widgets.figures.history import AXES, draw_, drawn, history_figure
from widgets.panels._comparison import Comparison
from widgets.panels._panel import Alert, Panel, buttons, line
from widgets.state import AppState
from widgets.table import Table
from widgets.text import escape, percent, quantity
from workbench.history import Entry, Page, Points, Query
from workbench.link import fragment
from workbench.result import DataRef, ModelRef
from workbench.tabular import moment

PAGE = 50
"""Rows that are shown at a time."""
_COLUMNS = {
    "recipe": "Recipe",
    "model": "Model on data",
    "accuracy": "Accuracy (95 %)",
    "size_bytes": "File",
    "macs": "MACs",
    "measured_at": "UTC",
    "note": "Note",
}
_NUMBERS = ("accuracy", "size_bytes", "macs")
_LARGEST = ("accuracy", "measured_at")
_NOTHING = "Nothing was found: whatever the sliders measure comes here by itself."
_READING = (
    "<details><summary>How to read this</summary>Intervals are 95 % intervals for new images of the same kind. The "
    "line joins what nothing else that was found beats; the best of many tries on the same test images looks better "
    "than it is, and accuracies on other data sets do not compare. Of very many points only some are drawn, those on "
    "the line always. What has a star is drawn among the saved points of the plot above.</details>"
)


class HistoryPanel(Panel):
    """A filter, a plot and a table of pages; `models` and `data_sets` are what the page offers besides its own."""

    title = "History"
    folded = "the history"

    def __init__(
        self, state: AppState | None = None, models: tuple[str, ...] = (), data_sets: tuple[str, ...] = ()
    ) -> None:
        super().__init__(state)
        self._offered = Offered(
            models=(self.state.model, *(ModelRef(name=name) for name in models)),
            data=(self.state.data, *(DataRef(name=name) for name in data_sets)),
        )

    def build(self) -> None:
        self._query, self._ticked = Query(limit=PAGE), []
        self._look: Look | None = None
        self._points: Points | None = None
        self._drawing = False
        self.text = ipw.Text(description="Find", placeholder="pruning digits-cnn, or words of a note")
        self.model = ipw.Dropdown(options=[("all models", "")], value="", description="Only model")
        self.data = ipw.Dropdown(options=[("all data", "")], value="", description="Only data")
        self.starred = ipw.Checkbox(description="Only with a star", indent=False)
        self.axis = ipw.Dropdown(options=[(title, name) for name, (title, _) in AXES.items()], description="Cost")
        self.figure = history_figure(self.state.page.dark)
        self.table = self._make_table()
        self.back, self.on = ipw.Button(description="Newer rows"), ipw.Button(description="Older rows")
        self.told, self.alert = ipw.HTML(), Alert()
        self.about, self.note = ipw.HTML(), ipw.Text(description="Note", continuous_update=False)
        self.put_back = ipw.Button(description="Restore", tooltip="Set model, data and sliders to this result")
        self.remove = ipw.Button(description="Remove", tooltip="Forget this result and its file")
        self.link = CopyLink(lambda: fragment(self.engine.history.job(self.state.selected)))
        self.one = ipw.VBox([self.about, self.note, buttons(self.put_back, self.link, self.remove)])
        self.comparison = Comparison()
        self.csv, self.json = (self._export_button(kind) for kind in ("csv", "json"))
        self.show(
            ipw.VBox([self.text, self.model, self.data, self.axis, self.starred]),
            self.figure,
            self.told,
            self.alert,
            self.table,
            buttons(self.back, self.on, self.csv, self.json),
            self.one,
            self.comparison,
            ipw.HTML(_READING),
        )
        self._connect()

    def _make_table(self) -> Table:
        described = [
            {"title": title, "number": name in _NUMBERS, "largest": name in _LARGEST}
            for name, title in _COLUMNS.items()
        ]
        actions = {"Star": self._star, "Compare": self._tick, "Restore": self._restore}
        table = Table(described, actions, empty=_NOTHING, picked=self._pick, sorted_by=self._sort)
        table.add_class("dsw-narrow-names")
        return table

    def _export_button(self, kind: str) -> DownloadButton:
        def wanted() -> None:
            whole = dataclasses.replace(self._query, limit=None, offset=0)
            ready = self.locked(lambda content: button.deliver(f"history.{kind}", content))
            self._tell("")
            self.engine.history.export(whole, kind, ready, self._refused)

        button = DownloadButton(f"Export {kind.upper()}", wanted)
        return button

    def _connect(self) -> None:
        for box in (self.text, self.model, self.data, self.starred):
            box.observe(lambda _: self._filter(), "value")
        self.axis.observe(lambda _: self._ask(), "value")
        self.back.on_click(lambda _: self._turn(-PAGE))
        self.on.on_click(lambda _: self._turn(PAGE))
        self.note.observe(lambda change: self._write(change.new), "value")
        self.put_back.on_click(lambda _: self._restore(self.state.selected))
        self.remove.on_click(lambda _: self._remove())
        for trace in range(len(self.figure.data)):
            self.figure.data[trace].on_click(self._point)
        self.follow(self._dress, ["dark"], of=self.state.page)
        self.follow(self._ask, ["value"], of=self.opened)
        self.follow(self._ask, ["changed"], of=self.engine.history)
        self.follow(self._ask, ["selected"])
        self.follow(lambda: self._tell(self.engine.history.problem), ["problem"], of=self.engine.history)
        self._draw_one(None)

    # what is asked

    def _filter(self) -> None:
        if not self._drawing:
            self._find(
                text=self.text.value,
                model=self.model.value or None,
                data=self.data.value or None,
                starred=self.starred.value,
                offset=0,
            )

    def _sort(self, column: int, descending: bool) -> None:
        self._find(order=list(_COLUMNS)[column], descending=descending, offset=0)

    def _turn(self, by: int) -> None:
        self._find(offset=max(0, self._query.offset + by))

    def _find(self, **changes: object) -> None:
        self._query = dataclasses.replace(self._query, **changes)
        self._ask()

    def _ask(self) -> None:
        """Look into the store, while somebody looks here."""
        if self.opened.value:
            shown, axis = (self.locked(self._draw), self.locked(self._draw_points)), self.axis.value
            self.engine.history.look(self._query, axis, self.state.selected, *shown, self._refused)

    # what is done

    def _pick(self, key: str) -> None:
        with self.state.lock:
            self.state.put(selected=key)

    def _point(self, trace: object, points: object, _: object) -> None:
        if self._points is None or not points.point_inds:
            return
        places = drawn(self._points)[points.trace_index]
        if points.point_inds[0] < len(places):
            self._pick(self._points.keys[places[points.point_inds[0]]])

    def _star(self, key: str) -> None:
        self._tell("")
        for entry in self._entries():
            if entry.key == key:
                self.engine.history.set_star(key, not entry.star, self._refused)
                return

    def _tick(self, key: str) -> None:
        self._ticked = [k for k in self._ticked if k != key] if key in self._ticked else [*self._ticked, key]
        self._draw_rows()
        self.engine.history.compare(self._ticked, self.locked(self.comparison.draw), self._refused)

    def _restore(self, key: str) -> None:
        self._tell("")
        offered = dataclasses.replace(self._offered, models=(*self._offered.models, *self.engine.bringing.models))
        self.engine.history.restore(key, offered, self._refused)

    def _write(self, text: str) -> None:
        if not self._drawing and self.state.selected:
            self._tell("")
            self.engine.history.set_note(self.state.selected, text, self._refused)

    def _remove(self) -> None:
        key = self.state.selected
        self.state.put(selected="")
        if key in self._ticked:
            self._tick(key)
        self._tell("")
        self.engine.history.remove(key, self._refused)

    # what is shown

    def _entries(self) -> tuple[Entry, ...]:
        return () if self._look is None else self._look.page.entries

    def _draw(self, look: Look) -> None:
        page = look.page
        if not page.entries and look.query.offset and page.total:
            self._find(offset=0)  # the last page was removed
            return
        self._look = look
        self._drawing = True
        try:
            for box, known, every in ((self.model, look.models, "all models"), (self.data, look.data, "all data")):
                options = ((every, ""), *((name, name) for name in dict.fromkeys((*known, box.value)) if name))
                if tuple(box.options) != options:
                    box.options, box.value = options, box.value
        finally:
            self._drawing = False
        self._draw_rows()
        self._draw_one(look.selected)
        self.told.value = line(found_text(page, look.query.offset))
        newest = look.query.order == "measured_at" and look.query.descending
        self.back.description, self.on.description = (
            ("Newer rows", "Older rows") if newest else ("Rows before", "Rows after")
        )
        self.back.disabled = look.query.offset == 0
        self.on.disabled = look.query.offset + len(page.entries) >= page.total

    def _draw_points(self, points: Points) -> None:
        self._points = points
        draw_(self.figure, points, self.axis.value)

    def _draw_rows(self) -> None:
        self.table.order = (list(_COLUMNS).index(self._query.order), self._query.descending)
        self.table.rows = [
            {
                "key": entry.key,
                "cells": cells(entry),
                "faces": {"Star": "★" if entry.star else "☆"},
                "pressed": {"Star": entry.star, "Compare": entry.key in self._ticked},
            }
            for entry in self._entries()
        ]

    def _draw_one(self, entry: Entry | None) -> None:
        self.one.layout.display = None if entry else "none"
        self.table.selected = entry.key if entry else ""
        self._drawing = True
        try:
            self.note.value = entry.note if entry else ""
        finally:
            self._drawing = False
        self.about.value = f"<h3>{escape(recipe_words(entry))}</h3>" if entry else ""

    def _dress(self) -> None:
        with updating(self.figure):
            self.figure.update_layout(theme.plot_layout(self.state.page.dark))

    @property
    def _refused(self) -> Callable[[str], None]:
        return self.locked(self._tell)

    def _tell(self, sentence: str) -> None:
        self.alert.tell(sentence)


def recipe_words(entry: Entry) -> str:
    """Return what a result was made by, in words."""
    return "a recipe that cannot be read here" if entry.recipe is None else entry.recipe


def cells(entry: Entry) -> list[dict[str, object]]:
    """Return the cells of a row of the history."""
    accuracy = "–"
    if entry.accuracy is not None and entry.low is not None and entry.high is not None:
        accuracy = f"{percent(entry.accuracy)} ({100 * entry.low:.1f} to {100 * entry.high:.1f} %)"
    texts = (
        recipe_words(entry),
        f"{entry.model} on {entry.data}",
        accuracy,
        "–" if entry.size_bytes is None else quantity(entry.size_bytes, "bytes"),
        "–" if entry.macs is None else quantity(entry.macs),
        moment(entry.measured_at).replace("-", "\N{NON-BREAKING HYPHEN}") or "–",  # the line breaks before the hour
        entry.note,
    )
    return [{"text": text} for text in texts]


def found_text(page: Page, offset: int) -> str:
    """Return in a sentence how much was found, and what of it is listed."""
    if not page.total:
        return "No results."
    shown = f", of which {offset + 1:,} to {offset + len(page.entries):,} are listed" if page.total > PAGE else ""
    return f"{page.total:,} {'result' if page.total == 1 else 'results'}{shown}."
