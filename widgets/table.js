// A table that sorts by a click on a heading. Rows may carry buttons, and may be picked: by a click anywhere on them, or
// by the keyboard with the button that their first cell then is. Cells without a value sort last, whatever the order.

const element = (tag, className, text) => {
  const made = document.createElement(tag);
  if (className) made.className = className;
  made.textContent = text ?? "";
  return made;
};

const compared = (a, b) => {
  const missing = (value) => value === null || value === undefined;
  if (missing(a) || missing(b)) return [missing(a) - missing(b), true];
  return [(a > b) - (a < b), false];
};

function filled(shown, number) {
  const cell = element("td", number ? "number" : "", shown.href ? "" : shown.text);
  if (shown.href?.startsWith("https://")) {
    const link = element("a", "", shown.text);
    Object.assign(link, { href: shown.href, target: "_blank", rel: "noopener" });
    cell.append(link);
  }
  if (shown.hint) cell.title = shown.hint;
  if (shown.bar !== undefined) {
    const over = element("span", "dsw-bar", shown.text);
    over.style.setProperty("--dsw-bar", `${100 * Math.min(1, Math.max(0, shown.bar))}%`);
    cell.replaceChildren(over);
  }
  return cell;
}

function render({ model, el }) {
  const box = element("div", "dsw-scroll");
  el.append(box);
  let by = null;
  let down = false;

  // in a table that the kernel orders, a heading shows what the kernel says
  const ordering = () => {
    if (!model.get("ordered")) return [by, down];
    const [column, largest] = model.get("order");
    return [column < 0 ? null : column, largest];
  };

  const pick = (key) => model.send({ picked: key });

  const heading = (column, index) => {
    const cell = element("th", column.number ? "number" : "");
    const [by_, down_] = ordering();
    const arrow = down_ ? " ↓" : " ↑";
    const button = element("button", "dsw-sort", column.title + (by_ === index ? arrow : ""));
    cell.scope = "col";
    if (column.hint) cell.title = column.hint;
    cell.setAttribute("aria-sort", by_ !== index ? "none" : down_ ? "descending" : "ascending");
    button.dataset.column = index;
    button.addEventListener("click", () => {
      down = by_ === index ? !down_ : Boolean(column.largest);
      by = index;
      if (model.get("ordered")) model.send({ sorted: by, down });
      else draw();
    });
    cell.append(button);
    return cell;
  };

  const line = (row) => {
    const columns = model.get("columns");
    const actions = model.get("actions");
    const made = element("tr");
    made.dataset.key = row.key;
    made.append(...columns.map((column, index) => filled(row.cells[index], column.number)));
    if (model.get("pickable")) {
      const button = element("button", "dsw-pick", row.cells[0].text);
      made.cells[0].replaceChildren(button);
      made.addEventListener("click", () => pick(row.key)); // the button's click comes here too
    }
    if (actions.length) {
      const last = element("td", "dsw-actions");
      for (const action of actions) {
        const face = row.faces?.[action.name] ?? action.title;
        const button = element("button", "jupyter-button widget-button", face);
        button.dataset.action = action.name;
        button.title = action.title;
        button.setAttribute("aria-label", `${action.title}: ${row.cells[0].text}`);
        if (row.pressed && action.name in row.pressed) button.setAttribute("aria-pressed", String(row.pressed[action.name]));
        button.addEventListener("click", (event) => {
          event.stopPropagation(); // pressing a button is not picking its row
          model.send({ action: action.name, key: row.key });
        });
        last.append(button);
      }
      made.append(last);
    }
    return made;
  };

  const sorted = () => {
    const rows = [...model.get("rows")];
    if (by === null || model.get("ordered")) return rows;
    return rows.sort((a, b) => {
      const [order, missing] = compared(a.cells[by].sort, b.cells[by].sort);
      return down && !missing ? -order : order;
    });
  };

  const mark = () => {
    const selected = model.get("selected");
    for (const row of box.querySelectorAll("tbody tr")) {
      const on = row.dataset.key === selected;
      row.classList.toggle("dsw-selected", on);
      row.querySelector(".dsw-pick")?.setAttribute("aria-pressed", String(on));
      if (on) reveal(row);
    }
  };

  // within the table alone: the page stays where it is
  const reveal = (row) => {
    const scroller = el.closest(".dsw-rows");
    if (!scroller) return;
    const [outer, inner] = [scroller.getBoundingClientRect(), row.getBoundingClientRect()];
    if (inner.top < outer.top + 2 * inner.height) scroller.scrollTop += inner.top - outer.top - 2 * inner.height;
    if (inner.bottom > outer.bottom) scroller.scrollTop += inner.bottom - outer.bottom;
  };

  const draw = () => {
    if (!model.get("rows").length) {
      box.replaceChildren(element("p", "dsw-quiet", model.get("empty")));
      return;
    }
    const focused = held();
    const table = element("table");
    const head = table.createTHead().insertRow();
    head.append(...model.get("columns").map(heading));
    if (model.get("actions").length) head.append(element("td")); // a heading without words would be read as one
    table.createTBody().append(...sorted().map(line));
    box.replaceChildren(table);
    mark();
    focused()?.focus();
  };

  // what has the focus now, to be found again in a table drawn anew
  const held = () => {
    const { activeElement: active } = document;
    if (!active || !box.contains(active)) return () => null;
    const { action, column } = active.dataset;
    if (column !== undefined) return () => box.querySelector(`.dsw-sort[data-column="${column}"]`);
    const key = active.closest("tbody tr")?.dataset.key;
    const row = () => [...box.querySelectorAll("tbody tr")].find((each) => each.dataset.key === key);
    const button = (each) => (action ? each.dataset.action === action : each.matches(".dsw-pick"));
    return () => [...(row()?.querySelectorAll("button") ?? [])].find(button);
  };

  model.on("change:rows change:columns change:order", draw);
  model.on("change:selected", mark);
  draw();
  return () => {
    model.off("change:rows change:columns change:order", draw);
    model.off("change:selected", mark);
  };
}

export default { render };
