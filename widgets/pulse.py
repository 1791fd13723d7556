"""A pulse that a page gives to its kernel while somebody looks: it stops when the page is gone, hidden or folded."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import anywidget
import traitlets

_ESM = """
// A served page shares its home folder with all other visitors: there, a random word that this browser keeps for itself
// tells them apart. It names nobody, and goes to the kernel of this page alone.
function ours() {
  const told = document.getElementById("jupyter-config-data");
  if (!told || !JSON.parse(told.textContent).kernelId) return "";
  try {
    const kept = localStorage.getItem("dsw-who");
    if (kept) return kept;
  } catch { /* a browser that keeps nothing: new with each page */ }
  const made = [...crypto.getRandomValues(new Uint8Array(16))].map((b) => b.toString(16).padStart(2, "0")).join("");
  try { localStorage.setItem("dsw-who", made); } catch { /* as above */ }
  return made;
}
export default {
  render({ model }) {
    const who = ours();
    const beat = () => { if (model.get("on") && !document.hidden) model.send({ who }); };
    const timer = setInterval(beat, 1000 * model.get("seconds"));
    document.addEventListener("visibilitychange", beat);
    model.send({ who });
    return () => { clearInterval(timer); document.removeEventListener("visibilitychange", beat); };
  },
};
"""
_WHO = re.compile(r"[0-9a-f]{32}")


class Pulse(anywidget.AnyWidget):
    """Calls `beat` every `seconds` while it is `on` and a page shows it; a kernel without a page is left in peace."""

    _esm = _ESM
    on = traitlets.Bool(True).tag(sync=True)
    seconds = traitlets.Float(5.0).tag(sync=True)

    def __init__(self, beat: Callable[[], None], **options: Any) -> None:
        super().__init__(**options)
        self._beat = beat
        self.who = ""
        """What tells the browsers of a served page apart; empty in JupyterLab, where each person has a home."""
        self.on_msg(self._hear)

    def _hear(self, widget: object, content: object, buffers: object) -> None:
        who = content.get("who") if isinstance(content, dict) else None
        if isinstance(who, str) and _WHO.fullmatch(who):
            self.who = who
        self._beat()
