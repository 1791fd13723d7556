"""A button that hands a file to the browser, made in the kernel at the click: no server route, no copy on disk."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import anywidget
import traitlets

_PART = 4 * 2**20
_ESM = """
export default {
  render({ model, el }) {
    const button = document.createElement("button");
    button.className = "jupyter-button widget-button";
    const show = () => { button.textContent = model.get("label"); button.disabled = model.get("disabled"); };
    button.addEventListener("click", () => model.send({ wanted: true }));
    let parts = [];
    const deliver = (message, buffers) => {
      if (!message.name) return;
      if (message.part === 0) parts = [];
      parts.push(buffers[0]);
      if (message.part < message.of - 1) return;
      const url = URL.createObjectURL(new Blob(parts, { type: "application/octet-stream" }));
      parts = [];
      const link = document.createElement("a");
      link.href = url;
      link.download = message.name;
      el.append(link);
      link.click();
      link.remove();
      setTimeout(() => URL.revokeObjectURL(url), 10000);
    };
    model.on("msg:custom", deliver);
    model.on("change:label change:disabled", show);
    show();
    el.append(button);
    return () => { model.off("msg:custom", deliver); model.off("change:label change:disabled", show); };
  },
};
"""


class DownloadButton(anywidget.AnyWidget):
    """Calls `wanted()` at a click; whoever makes the file then calls `deliver`, from any thread."""

    _esm = _ESM
    label = traitlets.Unicode("Download").tag(sync=True)
    disabled = traitlets.Bool(False).tag(sync=True)

    def __init__(self, label: str, wanted: Callable[[], None], **options: Any) -> None:
        super().__init__(label=label, **options)
        self.on_msg(lambda *_: wanted())

    def deliver(self, name: str, content: bytes) -> None:
        """Hand a file to the browser, in parts that pass where servers and proxies limit the size of a message."""
        starts = range(0, len(content), _PART) or range(1)
        for part, start in enumerate(starts):
            self.send({"name": name, "part": part, "of": len(starts)}, [content[start : start + _PART]])
