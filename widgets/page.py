"""The invisible part of every page: the style sheet, names for controls that lack them, and which theme is on.

ipywidgets sliders and toggle buttons have no accessible name or state; this gives them what their label says.
"""

from __future__ import annotations

import anywidget
import traitlets

from widgets import theme

_ESM = """
const set = (node, name, value) => {
  if (value && node.getAttribute(name) !== value) node.setAttribute(name, value);
};
const words = (node) => (node ? node.textContent.trim() : "");
function nameControls() {
  for (const root of document.querySelectorAll(".dsw")) {
    for (const handle of root.querySelectorAll("[role=slider]")) {
      const row = handle.closest(".widget-inline-hbox, .widget-inline-vbox");
      if (!row) continue;
      set(handle, "aria-label", words(row.querySelector(".widget-label")));
      set(handle, "aria-valuetext", words(row.querySelector(".widget-readout")));
    }
    for (const group of root.querySelectorAll(".widget-toggle-buttons")) {
      set(group, "role", "radiogroup");
      set(group, "aria-label", words(group.querySelector(".widget-label")) || "choice");
      for (const button of group.querySelectorAll("button")) {
        set(button, "role", "radio");
        set(button, "aria-checked", String(button.classList.contains("mod-active")));
      }
    }
    for (const plot of root.querySelectorAll(".js-plotly-plot")) {
      const axis = (name) => words(plot.querySelector(name));
      set(plot, "role", "group");
      set(plot, "aria-label", "Chart: " + axis(".ytitle") + " against " + axis(".xtitle"));
    }
    for (const bar of root.querySelectorAll(".widget-hprogress .progress")) {
      set(bar, "role", "progressbar");
      set(bar, "aria-label", "progress");
    }
  }
}
export default {
  render({ model, el }) {
    el.style.display = "none";
    let waiting = 0;
    const update = () => {
      waiting = 0;
      nameControls();
      const dark = document.body.dataset.jpThemeLight === "false";
      if (model.get("dark") !== dark) { model.set("dark", dark); model.save_changes(); }
    };
    const soon = () => { if (!waiting) waiting = setTimeout(update, 120); };
    const observer = new MutationObserver(soon);
    observer.observe(document.body, {
      subtree: true, childList: true, characterData: true, attributes: true,
      attributeFilter: ["class", "aria-valuenow", "data-jp-theme-light"],
    });
    update();
    model.send({ shown: true });
    return () => observer.disconnect();
  },
};
"""


class Page(anywidget.AnyWidget):
    """Put one on a page; `dark` says which theme the page has. A message `{"shown": true}` comes when a page opens."""

    _esm = _ESM
    _css = theme.CSS
    dark = traitlets.Bool(False).tag(sync=True)
