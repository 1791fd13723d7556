"""A button that takes a file from the browser: what is too large is refused there, before a byte is sent."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import anywidget
import traitlets

from widgets.text import quantity

_PART = 4 * 2**20
_NAME = 200
_ESM = """
export default {
  render({ model, el }) {
    const picker = document.createElement("input");
    picker.type = "file";
    picker.hidden = true;
    const button = document.createElement("button");
    button.className = "jupyter-button widget-button";
    const told = document.createElement("span");
    told.className = "dsw-quiet";
    told.setAttribute("role", "status");
    const say = (text) => { told.textContent = text; };
    const show = () => {
      button.textContent = model.get("label");
      button.title = model.get("hint");
      picker.accept = model.get("accept");
    };
    let file = null;
    const part = model.get("part_bytes");
    const send = async (number) => {
      const of = Math.max(1, Math.ceil(file.size / part));
      const bytes = await file.slice(number * part, (number + 1) * part).arrayBuffer();
      say(`Sending ${file.name}: ${Math.round((100 * number) / of)} %`);
      model.send({ name: file.name, size: file.size, part: number, of }, undefined, [bytes]);
    };
    button.addEventListener("click", () => picker.click());
    picker.addEventListener("change", () => {
      file = picker.files[0] ?? null;
      picker.value = "";
      if (!file) return;
      if (file.size > model.get("limit_bytes")) {
        say(`${file.name} has ${(file.size / 1e6).toFixed(1)} MB, and at most ${model.get("limit")} can be sent: ` +
          "nothing was sent.");
        file = null;
      } else send(0);
    });
    const hear = (message) => {
      if (message.next !== undefined) { if (file) send(message.next); return; }
      file = null;
      say(message.said ?? "");
    };
    model.on("msg:custom", hear);
    model.on("change:label change:hint change:accept", show);
    show();
    el.append(button, picker, told);
    return () => { model.off("msg:custom", hear); model.off("change:label change:hint change:accept", show); };
  },
};
"""


class UploadButton(anywidget.AnyWidget):
    """Calls `arrived(name, content)` with a file of at most `limit_bytes`; `say` tells what became of it, at any time.

    A file comes in parts that pass where servers and proxies limit the size of a message, each asked for once the one
    before is here. A page of a stranger's making may send anything: sizes are checked here again.
    """

    _esm = _ESM
    label = traitlets.Unicode("Upload").tag(sync=True)
    hint = traitlets.Unicode("").tag(sync=True)
    accept = traitlets.Unicode("").tag(sync=True)
    limit = traitlets.Unicode("").tag(sync=True)
    limit_bytes = traitlets.Int(0).tag(sync=True)
    part_bytes = traitlets.Int(_PART).tag(sync=True)

    def __init__(self, label: str, arrived: Callable[[str, bytes], None], limit_bytes: int, **options: Any) -> None:
        super().__init__(label=label, limit=quantity(limit_bytes, "bytes"), limit_bytes=limit_bytes, **options)
        self._arrived, self._limit = arrived, limit_bytes
        self._content, self._expected = bytearray(), 0
        self.on_msg(lambda _, content, buffers: self._take(content, buffers))

    def say(self, sentence: str) -> None:
        """Show a sentence beside the button."""
        self.send({"said": sentence})

    def _take(self, message: Any, buffers: Sequence[Any]) -> None:
        numbers = [message.get(key) for key in ("part", "of")] if isinstance(message, dict) else []
        if not all(isinstance(number, int) for number in numbers) or len(numbers) < 2 or len(buffers) != 1:
            return self._leave("The file did not arrive whole: try again.")
        part, of = numbers
        if part == 0:
            self._content, self._expected = bytearray(), 0
        if part != self._expected or part >= of:
            return self._leave("The file did not arrive whole: try again.")
        if len(self._content) + len(buffers[0]) > self._limit:
            return self._leave(f"The file is larger than {self.limit}: nothing was kept.")
        self._content += buffers[0]
        self._expected += 1
        if self._expected < of:
            return self.send({"next": self._expected})
        name, whole = str(message.get("name", ""))[:_NAME], bytes(self._content)
        self._leave(f"Reading {name} …")
        return self._arrived(name, whole)

    def _leave(self, said: str) -> None:
        """Forget what has come so far, and say why or what comes now."""
        self._content, self._expected = bytearray(), 0
        self.say(said)
