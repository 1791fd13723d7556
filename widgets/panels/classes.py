"""Which classes have lost: how often each is right, before and now, while a slider moves."""

from __future__ import annotations

import ipywidgets as ipw

from widgets.figures.parts import parts_html, parts_info
from widgets.panels._panel import Panel, line
from widgets.text import points
from workbench.briefing.classes import counts
from workbench.errors import Refused
from workbench.forgetting.alarms import FALLS_BEYOND
from workbench.forgetting.parts import Part, parts, whole
from workbench.result import Result

_READING = (
    "The first line is the mean of all test images. Lines at the dots are 95 % intervals of each alone. The intervals "
    "of the changes are wide enough to hold for all classes at once with 95 % (Bonferroni), because of many one "
    "always looks worst by chance; marked is only what is surely more than 1 point worse than all other images."
)


class ClassesPanel(Panel):
    """One line for each class, those that lost most first; nothing is drawn while the panel is folded."""

    title = "Which classes lost"
    folded = "the classes"

    def build(self) -> None:
        self.told, self.picture = ipw.HTML(), ipw.HTML()
        self._drawn: tuple[object, ...] = ()
        self.show(self.told, self.picture, ipw.HTML(f'<p class="dsw-quiet">{_READING}</p>'))
        self.follow(self._draw, ["value"], of=self.opened)
        self.follow(self._draw, ["current"])

    def _draw(self) -> None:
        if not self.opened.value:
            return
        row = self.state.current
        counting = row is None or (bool(row.job.recipe.steps) and not row.final)
        if counting and self._drawn == (self.state.model, self.state.data):
            self.picture.add_class(
                "dsw-stale"
            )  # a slider is moved: the picture of before stays until the next is known
            self.told.value = line("The test images are being run …")
            return
        self.picture.remove_class("dsw-stale")
        self._drawn = (self.state.model, self.state.data)
        self.told.value, self.picture.value = drawn(row)


def drawn(row: Result | None) -> tuple[str, str]:
    """Return what is told of a row, and the picture, both as HTML."""
    if row is None or (row.job.recipe.steps and not row.final):
        return line("The test images are being run …"), ""
    if not row.job.recipe.steps:
        return line("The original has lost nothing: move a slider."), ""
    try:
        found = parts(counts(row.details))
    except Refused as refusal:
        return line(f"There is no picture: {refusal}."), ""
    mean = whole(found)
    info = parts_info(found, mean=mean)
    html = parts_html(info, caption="How often right", head="Class", before="The original", after="This network")
    return line(told(found, mean)), html


def told(found: tuple[Part, ...], mean: Part) -> str:
    """Return in one sentence what the mean hides."""
    worst, falling = found[0], sum(part.falls(FALLS_BEYOND) for part in found)
    said = f"The mean changes by {points(mean.change.value)} points, class {worst.name} by {points(worst.change.value)}"
    if falling:
        return f"{said}; {falling} of {len(found)} classes surely lost much more than all others."
    return f"{said}; that one class is worse off than all others is not sure."
