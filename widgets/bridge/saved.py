"""Saved results: the rows of the store that compare with what is shown, and their files."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

from widgets.bridge.desk import Desk
from widgets.bridge.files import Files
from workbench.context import Report
from workbench.errors import Refused
from workbench.result import Result
from workbench.run import Prepared, packed_file


class Saved:
    """See the module."""

    def __init__(self, desk: Desk, files: Files) -> None:
        self._desk, self._state, self._files = desk, desk.state, files
        self._prepared: Prepared | None = None

    def follow(self, prepared: Prepared) -> None:
        """Compare with this original from now on."""
        with self._state.lock:
            self._prepared = prepared
            self.reload()

    def reload(self) -> None:
        """Read the saved rows that compare with the present original: same weights, images, seed and engine."""
        with self._state.lock:
            if self._prepared is None or not self._state.layers:
                return  # the model is still being loaded, and reads them itself when it is there
            try:
                rows = self._desk.store.query(model=self._state.model.name, data=self._state.data.name, kept=True)
            except Refused as refusal:
                self._state.put(error=str(refusal))
                return
            mine = (found for row in rows if row.job.recipe.steps and (found := self.comparable(row)) is not None)
            self._state.put(saved=tuple(mine))

    def comparable(self, row: Result) -> Result | None:
        """Return a row as one about the present original, or None where it was another: other weights, images, seed."""
        with self._state.lock:
            job = dataclasses.replace(self._state.job, recipe=row.job.recipe)
            same = self._prepared is not None and bool(self._state.layers) and self._prepared.key(job) == row.key
            return dataclasses.replace(row, job=job) if same else None

    def save(self, row: Result, refused: Callable[[str], None]) -> None:
        """Keep a final row and its file; a refusal is told as a sentence."""

        def keep(content: bytes) -> None:
            if not self._desk.store.packed(row.key):  # it may have been measured in passing, without its file
                self._desk.store.add(row, content)
            self.reload()

        self.file(row, keep, refused)

    def remove(self, key: str) -> None:
        """Forget a saved row, one of those that are shown."""
        try:
            if any(row.key == key for row in self._state.saved):
                self._desk.store.remove(key)
        except Refused as refusal:
            self._state.put(error=str(refusal))
        self.reload()

    def file(self, row: Result, ready: Callable[[bytes], None], refused: Callable[[str], None]) -> None:
        """Hand over the packed file of a row: the stored one, or one made again where that needs no training."""

        def make(report: Report) -> bytes:
            content = self._desk.store.packed(row.key)
            if not content and row.job.recipe.trains:
                raise Refused("the file of this training was removed: press Train to make it again")
            return content or packed_file(row.job, **self._desk.options(row.job, report))

        self._files.hand_over(make, ready, refused)
