"""A table that sorts by a click on a heading and whose rows carry buttons; a real HTML table for screen readers."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import anywidget
import traitlets


class Table(anywidget.AnyWidget):
    """Rows of cells `{"text": shown, "sort": compared}`, each row with a key; actions call back with that key.

    A cell with an address, `"href": "https://..."`, is a link; one with a share, `"bar": 0.4`, has a bar of that length
    below its text; one whose `sort` is None sorts last. A column may have a `hint`, and sort the `largest` first.
    With `picked`, rows can be picked, and `selected` is the key of the one that is marked.

    A row may show an action under another face, `"faces": {"Star": "★"}`, and as a switch, `"pressed": {"Star": True}`.
    With `sorted_by`, a click on a heading sorts nothing here but calls back with the number of the column and whether
    the largest come first: the rows are part of many more.
    `order` is what the headings then show.
    """

    _esm = Path(__file__).with_suffix(".js")
    columns = traitlets.List().tag(sync=True)
    rows = traitlets.List().tag(sync=True)
    actions = traitlets.List().tag(sync=True)
    empty = traitlets.Unicode().tag(sync=True)
    pickable = traitlets.Bool().tag(sync=True)
    selected = traitlets.Unicode().tag(sync=True)
    ordered = traitlets.Bool().tag(sync=True)
    order = traitlets.Tuple(traitlets.Int(), traitlets.Bool(), default_value=(-1, False)).tag(sync=True)

    def __init__(
        self,
        columns: list[dict[str, object]],
        actions: dict[str, Callable[[str], None]],
        empty: str = "Nothing yet.",
        picked: Callable[[str], None] | None = None,
        sorted_by: Callable[[int, bool], None] | None = None,
    ) -> None:
        self._actions, self._picked, self._sorted_by = actions, picked, sorted_by
        named = [{"name": name, "title": name} for name in actions]
        can = {"pickable": picked is not None, "ordered": sorted_by is not None}
        super().__init__(columns=columns, rows=[], actions=named, empty=empty, **can)
        self.on_msg(self._act)

    def _act(self, widget: object, content: dict[str, Any], buffers: object) -> None:
        action = self._actions.get(str(content.get("action")))
        if action is not None:
            action(str(content.get("key")))
        if self._picked is not None and "picked" in content:
            self._picked(str(content["picked"]))
        column, down = content.get("sorted"), content.get("down")
        if self._sorted_by is not None and isinstance(column, int) and 0 <= column < len(self.columns):
            self._sorted_by(column, bool(down))
