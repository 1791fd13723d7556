"""A table that sorts by a click on a heading and whose rows carry buttons; a real HTML table for screen readers."""

from __future__ import annotations

from collections.abc import Callable

import anywidget
import traitlets

_ESM = """
export default {
  render({ model, el }) {
    const box = document.createElement("div");
    box.className = "dsw-scroll";
    el.append(box);
    let by = null, down = false;
    const cell = (tag, text, number) => {
      const node = document.createElement(tag);
      node.textContent = text;
      if (number) node.className = "number";
      return node;
    };
    const draw = () => {
      const columns = model.get("columns"), rows = [...model.get("rows")], actions = model.get("actions");
      box.replaceChildren();
      if (!rows.length) {
        const empty = document.createElement("p");
        empty.className = "dsw-quiet";
        empty.textContent = model.get("empty");
        box.append(empty);
        return;
      }
      if (by !== null) {
        const order = (a, b) => (a > b) - (a < b);
        rows.sort((a, b) => (down ? -1 : 1) * order(a.cells[by].sort, b.cells[by].sort));
      }
      const table = document.createElement("table"), head = table.createTHead().insertRow(), body = table.createTBody();
      columns.forEach((column, index) => {
        const th = cell("th", "", column.number), button = document.createElement("button");
        th.scope = "col";
        button.textContent = column.title + (by === index ? (down ? " ↓" : " ↑") : "");
        button.style.cssText = "all:unset;cursor:pointer;font-weight:600";
        button.addEventListener("click", () => { down = by === index ? !down : false; by = index; draw(); });
        th.setAttribute("aria-sort", by === index ? (down ? "descending" : "ascending") : "none");
        th.append(button);
        head.append(th);
      });
      head.append(cell("th", ""));
      for (const row of rows) {
        const tr = body.insertRow();
        columns.forEach((column, index) => tr.append(cell("td", row.cells[index].text, column.number)));
        const last = tr.insertCell();
        last.style.whiteSpace = "nowrap";
        for (const action of actions) {
          const button = document.createElement("button");
          button.className = "jupyter-button widget-button";
          button.style.cssText = "width:auto;margin:0 4px 0 0;height:26px;line-height:26px";
          button.textContent = action.title;
          button.setAttribute("aria-label", action.title + ": " + row.cells[0].text);
          button.addEventListener("click", () => model.send({ action: action.name, key: row.key }));
          last.append(button);
        }
      }
      box.append(table);
    };
    model.on("change:rows change:columns", draw);
    draw();
    return () => model.off("change:rows change:columns", draw);
  },
};
"""


class Table(anywidget.AnyWidget):
    """Rows of cells `{"text": shown, "sort": compared}`, each row with a key; actions call back with that key."""

    _esm = _ESM
    columns = traitlets.List().tag(sync=True)
    rows = traitlets.List().tag(sync=True)
    actions = traitlets.List().tag(sync=True)
    empty = traitlets.Unicode().tag(sync=True)

    def __init__(
        self, columns: list[dict[str, object]], actions: dict[str, Callable[[str], None]], empty: str = "Nothing yet."
    ) -> None:
        self._actions = actions
        named = [{"name": name, "title": name} for name in actions]
        super().__init__(columns=columns, rows=[], actions=named, empty=empty)
        self.on_msg(self._act)

    def _act(self, widget: object, content: dict[str, str], buffers: object) -> None:
        action = self._actions.get(str(content.get("action")))
        if action is not None:
            action(str(content.get("key")))
