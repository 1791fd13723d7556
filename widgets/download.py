"""A button that hands a file to the browser, made in the kernel at the click: no server route, no copy on disk."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import anywidget
import traitlets

from workbench.errors import Refused

_ESM = """
export default {
  render({ model, el }) {
    const button = document.createElement("button");
    button.className = "jupyter-button widget-button";
    const show = () => { button.textContent = model.get("label"); button.disabled = model.get("disabled"); };
    button.addEventListener("click", () => model.send({ wanted: true }));
    const deliver = (message, buffers) => {
      if (!message.name) return;
      const url = URL.createObjectURL(new Blob([buffers[0]], { type: "application/octet-stream" }));
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
    """Downloads what `make()` returns, a file name and its bytes; a refusal goes to `refused` as a sentence."""

    _esm = _ESM
    label = traitlets.Unicode("Download").tag(sync=True)
    disabled = traitlets.Bool(False).tag(sync=True)

    def __init__(
        self, label: str, make: Callable[[], tuple[str, bytes]], refused: Callable[[str], None], **options: Any
    ) -> None:
        super().__init__(label=label, **options)
        self._make, self._refused = make, refused
        self.on_msg(self._answer)

    def _answer(self, widget: object, content: object, buffers: object) -> None:
        try:
            name, data = self._make()
        except Refused as refusal:
            self._refused(str(refusal))
        else:
            self.send({"name": name}, [data])
