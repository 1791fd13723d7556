"""The invisible part of every page: the style sheet, names for controls, which theme is on, and the page's address.

ipywidgets sliders and toggle buttons have no accessible name or state; this gives them what their label says. Where the
kernel is gone, it says so.
"""

from __future__ import annotations

import anywidget
import traitlets

from widgets import theme

_ESM = """
const set = (node, name, value) => {
  if (node && value && node.getAttribute(name) !== value) node.setAttribute(name, value);
};
const words = (node) => (node ? node.textContent.trim() : "");
const reachable = (box, name) => {
  set(box, "tabindex", "0"); // so that arrow keys scroll it
  set(box, "role", "group");
  set(box, "aria-label", `${name} (scrolls)`);
};
function nameControls() {
  set(document.getElementById("rendered_cells"), "role", "main"); // Voila's page has no landmark
  for (const printed of document.querySelectorAll("#rendered_cells .jp-OutputArea:has(.jp-RenderedText)"))
    if (printed.scrollWidth > printed.clientWidth + 1) reachable(printed, "Printed by the code");
  for (const root of document.querySelectorAll(".dsw")) {
    for (const handle of root.querySelectorAll("[role=slider]")) {
      const row = handle.closest(".widget-inline-hbox, .widget-inline-vbox");
      if (!row) continue;
      set(handle, "aria-label", words(row.querySelector(".widget-label")));
      const readout = row.querySelector(".widget-readout");
      set(handle, "aria-valuetext", words(readout));
      if (!readout?.isContentEditable) continue;
      set(readout, "role", "textbox");
      set(readout, "aria-label", `${words(row.querySelector(".widget-label"))}: type a value`);
    }
    for (const box of root.querySelectorAll(".dsw-wide, .dsw-scroll, .dsw-layers, .dsw-rows")) {
      const scrolls = box.scrollWidth > box.clientWidth + 1 || box.scrollHeight > box.clientHeight + 1;
      if (!scrolls || box.querySelector("button, a, input, select, [tabindex='0']")) continue;
      reachable(box, words(box.closest(".dsw-panel")?.querySelector("h2")));
    }
    for (const group of root.querySelectorAll(".widget-toggle-buttons")) {
      set(group, "role", "radiogroup");
      set(group, "aria-label", words(group.querySelector(".widget-label")) || "choice");
      for (const button of group.querySelectorAll("button")) {
        set(button, "role", "radio");
        set(button, "aria-checked", String(button.classList.contains("mod-active")));
      }
    }
    for (const group of root.querySelectorAll(".widget-radio")) {
      set(group, "role", "radiogroup");
      set(group, "aria-label", words(group.querySelector(".widget-label")) || "choice");
    }
    for (const button of root.querySelectorAll("button.dsw-link.widget-toggle-button"))
      set(button, "aria-expanded", String(button.classList.contains("mod-active")));
    for (const plot of root.querySelectorAll(".js-plotly-plot")) {
      const axis = (name) => words(plot.querySelector(name));
      set(plot, "role", "group");
      set(plot, "aria-label", "Chart: " + [axis(".ytitle"), axis(".xtitle")].filter(Boolean).join(" against "));
    }
    for (const bar of root.querySelectorAll(".widget-hprogress .progress")) {
      set(bar, "role", "progressbar");
      set(bar, "aria-label", "progress");
    }
  }
}
// ipywidgets marks each widget whose kernel is gone, with a broken link and nothing else.
const LOST = "The computation behind this page has ended, so nothing here answers any more. Reload the page to begin " +
  "anew (in JupyterLab, run the cells again); saved points are kept.";
function tellOfLoss() {
  const lost = document.querySelector(".dsw.jupyter-widgets-disconnected, .dsw .jupyter-widgets-disconnected");
  const told = document.querySelector(".dsw-gone");
  if (!lost) return told?.remove();
  if (told) return;
  const box = document.createElement("div");
  box.className = "dsw-gone";
  box.setAttribute("role", "alert");
  box.textContent = LOST;
  document.body.append(box);
}
// Voila says which kernel is this page's alone. Its own request to end it carries no token and is refused (voila#1458).
function leave(event) {
  const told = document.getElementById("jupyter-config-data");
  const { kernelId, baseUrl } = told ? JSON.parse(told.textContent) : {};
  if (event.persisted || !kernelId) return;
  const headers = {};
  const token = new URLSearchParams(location.search).get("token");
  if (token) headers.Authorization = `token ${token}`;
  const mark = document.cookie.match(/(?:^|; )_xsrf=([^;]*)/);
  if (mark) headers["X-XSRFToken"] = decodeURIComponent(mark[1]);
  const url = new URL(`voila/api/shutdown/${kernelId}`, new URL(baseUrl, location.href));
  fetch(url, { method: "POST", keepalive: true, headers });
}
export default {
  render({ model, el }) {
    el.style.display = "none";
    let waiting = 0;
    const update = () => {
      waiting = 0;
      nameControls();
      tellOfLoss();
      const dark = document.body.dataset.jpThemeLight === "false";
      if (model.get("dark") !== dark) { model.set("dark", dark); model.save_changes(); }
    };
    const soon = () => { if (!waiting) waiting = setTimeout(update, 120); };
    const observer = new MutationObserver(soon);
    observer.observe(document.body, {
      subtree: true, childList: true, characterData: true, attributes: true,
      attributeFilter: ["class", "aria-valuenow", "data-jp-theme-light"],
    });
    const follow = () => model.send({ hash: location.hash });
    window.addEventListener("hashchange", follow);
    window.addEventListener("resize", soon);
    window.addEventListener("pagehide", leave);
    update();
    model.send({ shown: true, hash: location.hash });
    return () => {
      observer.disconnect();
      window.removeEventListener("hashchange", follow);
      window.removeEventListener("resize", soon);
    };
  },
};
"""


class Page(anywidget.AnyWidget):
    """Put one on a page; `dark` says which theme the page has.

    A message `{"shown": true, "hash": "#..."}` comes when a page opens, with the fragment of its address, and one with
    the new `hash` whenever that changes: servers run a notebook long before anybody opens its page; no cell can tell.
    """

    _esm = _ESM
    _css = theme.CSS
    dark = traitlets.Bool(False).tag(sync=True)
