"""Exports: the present choices as a file that runs elsewhere."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path

from widgets.background import Background, Task
from widgets.bridge.desk import Desk
from widgets.bridge.files import Files
from widgets.bridge.listener import Listener
from workbench.context import Progress, Report
from workbench.delivery import Delivered, deliver, warm
from workbench.errors import Refused
from workbench.registry import exports
from workbench.run import prepare

_LARGEST = 500_000_000
"""Bytes of a file that is handed to a browser: it holds the file twice in memory."""


class Exporting:
    """Writes one file at a time into a folder that lives as long as this."""

    def __init__(self, desk: Desk, files: Files) -> None:
        self._desk, self._files = desk, files
        self._thread = Background("export")
        self._warm = False
        self._folder = tempfile.TemporaryDirectory(prefix="workbench-exports-", ignore_cleanup_errors=True)

    def export(self, name: str, delivered: Callable[[Delivered], None], listener: Listener) -> None:
        """Write the present choices in a format and try the file on all test images, in place of a running export."""
        job = self._desk.state.job

        def work(report: Report) -> None:
            options = self._desk.options(job, report)
            store = self._desk.trained_store(job, report)
            key = prepare(job, **options).key(job)
            path = Path(self._folder.name) / f"{key}-{name}{exports.get(name).suffix}"
            found = deliver(job, name, path, store=store, **options)
            report(Progress(1.0, ""))  # nothing is told after a cancel
            delivered(found)

        self._thread.submit(listener.task(work))

    def warm(self) -> None:
        """Load what exports are written with, once somebody looks at them: the first one need not wait for it."""
        if not self._warm:
            self._warm = True
            self._thread.submit(Task(work=warm))

    def cancel(self) -> None:
        """Stop within a batch, or when the library that writes the file returns."""
        self._thread.cancel()

    def fetch(self, made: Delivered, ready: Callable[[bytes], None], refused: Callable[[str], None]) -> None:
        """Hand over the bytes of an exported file; a refusal is told as a sentence."""
        self._files.hand_over(lambda _: _read(made), ready, refused)


def _read(made: Delivered) -> bytes:
    if made.size_bytes > _LARGEST:
        raise Refused(
            f"the file has {made.size_bytes / 1e6:,.0f} MB, more than the {_LARGEST / 1e6:,.0f} MB that a page "
            "hands over: write it with `workbench export`"
        )
    try:
        return made.path.read_bytes()
    except OSError as error:
        raise Refused(f"the exported file is gone ({error.strerror}): export it again") from None
