"""A button that puts a link to some choices onto the clipboard: the address of the page, and a fragment as its end.

The browser joins the two, since a kernel does not know where its page is served. A password in the query stays out.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import anywidget
import traitlets

from workbench.errors import Refused


class CopyLink(anywidget.AnyWidget):
    """At a click, `make` returns the fragment, such as `workbench.link.fragment` does; its refusal is shown."""

    _esm = Path(__file__).with_suffix(".js")
    label = traitlets.Unicode("Copy link").tag(sync=True)
    disabled = traitlets.Bool(False).tag(sync=True)

    def __init__(self, make: Callable[[], str], **options: Any) -> None:
        self._make = make
        super().__init__(**options)
        self.on_msg(lambda *_: self._answer())

    def _answer(self) -> None:
        try:
            self.send({"link": self._make()})
        except Refused as refusal:
            self.send({"refused": str(refusal)})
