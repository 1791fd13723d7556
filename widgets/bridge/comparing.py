"""Two networks compared on their test images, with the pictures of what flipped."""

from __future__ import annotations

from collections.abc import Callable

from widgets.background import Background
from widgets.bridge.listener import Listener
from widgets.bridge.pictures import Pictures
from workbench.context import Progress, Report
from workbench.courtesy import giving_way
from workbench.forgetting.compared import Comparison, compared
from workbench.result import Job
from workbench.run import pictures
from workbench.store import Store


class Comparing:
    """Compares; a later request takes the place of the one before. `user_models` may run code from a file."""

    def __init__(self, user_models: tuple[str, ...] = ()) -> None:
        self._user_models = user_models
        self.thread = Background("comparing")

    def compare(
        self,
        left: Job,
        right: Job,
        store: Store | None,
        found: Callable[[Comparison, Pictures], None],
        listener: Listener,
    ) -> None:
        """Compare two jobs and hand over what was found."""
        user_code = {left.model.name, right.model.name} <= {*self._user_models}

        def work(report: Report) -> None:
            made = compared(left, right, report=giving_way(report), store=store, user_code=user_code)
            report(Progress(0.95, "fetching pictures"))
            pixels = pictures(left, [flip.index for flip in made.flips.shown], user_code=user_code)
            report(Progress(1.0, ""))  # stops here if there is a newer request
            found(made, Pictures(pixels=pixels, classes=made.class_names))

        self.thread.submit(listener.task(work))

    def cancel(self) -> None:
        """Stop what runs."""
        self.thread.cancel()
