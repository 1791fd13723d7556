"""Files on their way to a browser or into the store."""

from __future__ import annotations

from collections.abc import Callable

from widgets.background import Background, Outcome, Task
from workbench.context import Report


class Files:
    """Makes one file at a time; a later request takes the place of the one before."""

    def __init__(self) -> None:
        self.thread = Background("files")

    def hand_over(
        self, make: Callable[[Report], bytes], ready: Callable[[bytes], None], refused: Callable[[str], None]
    ) -> None:
        """Hand what is made to `ready`; a refusal of either is told as a sentence."""

        def ended(outcome: Outcome, sentence: str) -> None:
            if outcome is Outcome.FAILED:
                refused(sentence)

        self.thread.submit(Task(work=lambda report: ready(make(report)), ended=ended))
