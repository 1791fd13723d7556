"""Test images to look at."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from widgets.background import Background, Task
from widgets.bridge.desk import Desk
from workbench.context import Progress, Report
from workbench.result import Job
from workbench.run import pictures, prepare


@dataclass(frozen=True, kw_only=True)
class Pictures:
    """Test images as they are before any preprocessing, and what the classes are called."""

    pixels: Any
    """Bytes [K, H, W, C] as a numpy array."""
    classes: tuple[str, ...]


class Looking:
    """Fetches images; a later request takes the place of the one before."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self.thread = Background("pictures")

    def look(self, job: Job, indices: Sequence[int], ready: Callable[[Pictures], None]) -> None:
        """Hand over test images of a job by number."""

        def work(report: Report) -> None:
            options = self._desk.options(job, report)
            pixels = pictures(job, indices, user_code=options["user_code"])
            classes = prepare(job, **options).about["classes"]
            report(Progress(1.0, ""))
            ready(Pictures(pixels=pixels, classes=tuple(classes)))

        self.thread.submit(Task(work=work))
