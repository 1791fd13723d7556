"""What a page opened with: a link that carries choices sets them, or is refused in a sentence."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from widgets.bridge.offered import Offered
from widgets.panels._panel import Panel
from widgets.text import capitalised
from workbench import link
from workbench.errors import Refused

_LONGEST = 100_000
"""Characters that are looked at: a browser allows an address of megabytes, and no link of ours is as long."""


class Opened:
    """Hears the address of the page, for as long as a panel lives.

    A link counts once: a page that is shown again, such as an output of JupyterLab that was scrolled out of sight,
    sends the same address, and must not undo what a person has set since.
    """

    def __init__(self, panel: Panel, offered: Offered, tell: Callable[[str], None]) -> None:
        self._state, self._offered, self._tell = panel.state, offered, tell
        self._last = ""
        hear = panel.locked(self._hear)
        panel.follow(lambda: tell(""), ["model", "data", "recipe"])  # whoever moves on has read it
        panel.state.page.on_msg(lambda _, content, __: hear(content))

    def _hear(self, content: Any) -> None:
        address = content.get("hash") if isinstance(content, dict) else None
        if not isinstance(address, str) or address == self._last:
            return
        self._last = address
        if not link.carries(address[:_LONGEST]):
            return
        try:
            job = self._offered.job(link.read(address[:_LONGEST]))
        except Refused as refusal:
            self._tell(f"The link of this page was not opened and nothing has changed. {capitalised(str(refusal))}.")
            return
        self._tell("")
        here = self._state.data
        data = here if here.name == job.data.name else job.data  # the folder is this machine's own
        self._state.put(model=job.model, data=data, recipe=job.recipe, seed=job.seed)
