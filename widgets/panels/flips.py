"""What changed its answer: test pictures on which the smaller network and the original differ."""

from __future__ import annotations

from collections.abc import Mapping

import ipywidgets as ipw

from widgets.bridge.pictures import Pictures
from widgets.figures.flips import flips_html, flips_info
from widgets.figures.tradeoff import NOT_YET
from widgets.panels._panel import Panel
from widgets.text import escape
from workbench.measure._look import FLIPS
from workbench.result import Result

_READING = (
    "Below each picture: its class, and what the original answers → what this network answers. At most twelve, drawn "
    "at random among those that one of the two has right and the other wrong."
)


class FlipsPanel(Panel):
    """Up to twelve pictures, filled while the test images are run; nothing is made while the panel is folded."""

    title = "What changed its answer"
    folded = "the pictures"

    def build(self) -> None:
        self.told = ipw.HTML()
        self.grid = ipw.HTML()
        self._asked: tuple[object, ...] = ()
        self.show(self.told, self.grid, ipw.HTML(f'<p class="dsw-quiet">{_READING}</p>'))
        self.follow(self._draw, ["value"], of=self.opened)
        self.follow(self._draw, ["current"])

    def _draw(self) -> None:
        if not self.opened.value:
            return
        row = self.state.current
        flips = row.details.get("accuracy", {}).get("flips", ()) if row else ()
        self.told.value = f'<p class="dsw-line" role="status">{escape(told(row))}</p>'
        asked = (row.job.model, row.job.data, row.job.test_data, flips) if row else ()
        if asked == self._asked:
            return
        self._asked = asked
        if not flips:
            self.grid.value = ""
            return
        self.engine.pictures.look(
            row.job,
            [flip["index"] for flip in flips],
            self.locked(lambda found: self._show(asked, flips, found)),
        )

    def _show(self, asked: tuple[object, ...], flips: list[Mapping[str, int]], found: Pictures) -> None:
        if asked == self._asked:
            self.grid.value = flips_html(flips_info(flips, found.pixels, found.classes))


def told(row: Result | None) -> str:
    """Return in one sentence how many pictures there are, and of how many images."""
    if row is None or not row.job.recipe.steps:
        return "The original differs from itself nowhere: move a slider."
    details = row.details.get("accuracy", {})
    found, seen, of = len(details.get("flips", ())), details.get("images", 0), details.get("of", 0)
    number = {0: "No picture", 1: "One picture", FLIPS: f"{found} of the pictures"}.get(found, f"{found} pictures")
    whole = f"all {of:,}" if seen == of else f"{seen:,} of {of:,}"
    return f"{number}, after {whole} test images." + (f" This is {NOT_YET}." if row.provisional else "")
