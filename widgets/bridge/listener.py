"""Who is told how long work comes along."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from widgets.background import Outcome, Task
from workbench.context import Progress, Report


@dataclass(frozen=True, kw_only=True)
class Listener:
    """What long work tells its panel, from its own thread; what it finds goes to callables of their own."""

    progress: Callable[[Progress], None]
    ended: Callable[[Outcome, str], None]
    """Is called exactly once; the sentence says why it failed."""

    def task(self, work: Callable[[Report], None]) -> Task:
        """Return work that is told here."""
        return Task(work=work, progress=self.progress, ended=self.ended)
