"""Weights that a visitor brings for the network on the page: read as hostile, and tried before anything changes."""

from __future__ import annotations

import secrets
import tempfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from widgets.background import Background, Outcome, Task
from widgets.bridge.desk import Desk
from workbench import keeping
from workbench.context import Report
from workbench.errors import Refused
from workbench.resources import cache_home
from workbench.result import Job, ModelRef
from workbench.run import prepare

LIMIT_BYTES = 90 * 10**6
"""Largest file that a page takes; it comes in parts that are far smaller than a server's largest message."""
_ROOM_BYTES = 2 * 10**9
"""What files of visitors may take on the disk; then the oldest make way."""


class Bringing:
    """Keeps weights under their hash, and offers again what this page has been given."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._thread = Background("bringing")
        self.models: tuple[ModelRef, ...] = ()

    def bring(self, title: str, content: bytes, tell: Callable[[str], None]) -> None:
        """Take weights for the chosen network, and tell in a sentence what became of them, later, from another thread.

        Nothing changes where they are refused.
        """

        def ended(outcome: Outcome, sentence: str) -> None:
            if outcome is Outcome.FAILED:
                tell(f"{sentence}; nothing changed.")

        self._thread.submit(Task(work=lambda report: tell(self._brought(title, content, report)), ended=ended))

    def _brought(self, title: str, content: bytes, report: Report) -> str:
        state = self._desk.state
        chosen, data, seed = state.model, state.data, state.seed
        with tempfile.TemporaryDirectory() as folder:
            trial = Path(folder) / secrets.token_hex(8)  # a name that is no word of a refusal
            trial.write_bytes(content)
            job = Job(model=replace(chosen, checkpoint=str(trial)), data=data, seed=seed)
            try:
                prepare(job, **self._desk.options(job, report))
            except Refused as refusal:  # a visitor need not know where files lie
                raise Refused(str(refusal).replace(str(trial), title).replace(trial.name, title)) from None
        try:
            path = keeping.keep(content, cache_home() / "brought", _ROOM_BYTES)
        except Refused:
            raise Refused(f"{title} could not be kept: whoever runs this page finds no room for files") from None
        model = replace(chosen, checkpoint=str(path))
        with state.lock:
            if (state.model, state.data) != (chosen, data):
                raise Refused(f"another network or data set was chosen while {title} was read")
            self.models = tuple(dict.fromkeys((*self.models, model)))
            state.put(model=model)
        return f"{title}: {len(content):,} bytes, weights of {model.name}."
