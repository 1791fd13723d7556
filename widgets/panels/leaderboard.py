"""The leaderboard of a class: who covers the most, all fronts in one picture, and everybody's recipes to try."""

from __future__ import annotations

import ipywidgets as ipw

from widgets import theme
from widgets.bridge.leaderboard import Standing
from widgets.copy_link import CopyLink
from widgets.figures._live import updating
from widgets.figures.leaderboard import draw_, leaderboard_figure, leaderboard_info
from widgets.panels._panel import Alert, Panel, buttons, line
from widgets.pulse import Pulse
from widgets.table import Table
from widgets.text import escape, interval, percent, quantity, recipe_text
from workbench.errors import Refused
from workbench.leaderboard import SMALLEST, WITHIN, Place
from workbench.link import fragment
from workbench.submissions import Point

_WITHIN = f"{100 * WITHIN:g} point"
_COLUMNS = ("Place and name", "Area", f"Smallest file within {_WITHIN}", "Points", "Its recipe")
_EMPTY = "Nobody has submitted yet: move sliders, save the points you like, type a name above, and submit."
_READING = (
    "<details><summary>How the area is counted</summary>To the right runs the file size, logarithmic: from the "
    f"original's (0) to one {SMALLEST} times smaller (1). Upwards runs the accuracy, from guessing (0) to every test "
    "image right (1). The area, called hypervolume in papers, is what lies below and behind the points: it grows with "
    "every point that no other one of yours beats, and with nothing else. In brackets, the area at the ends of the "
    f"intervals of all accuracies. The smallest file is the one that loses at most {_WITHIN} of accuracy against the "
    "original. Only sizes, accuracies and recipes are submitted; what you submitted before stays, as far as nothing "
    "beats it. They are what people say they measured; whoever runs the class can have all recipes run again. And the "
    "best of many tries on the same test images looks better than it is.</details>"
)


class LeaderboardPanel(Panel):
    """A name, a button that submits, the board as a table and as a picture; it is read anew while somebody looks."""

    title = "The leaderboard of the class"
    folded = "the leaderboard"

    def build(self) -> None:
        self._standing: Standing | None = None
        self._info = leaderboard_info()
        self._picked = ""
        self.name = ipw.Text(description="Your name", placeholder="any name; it stands on the board")
        self.go = ipw.Button(
            description="Submit", tooltip="The points that you saved on this page, and the one that the sliders show"
        )
        self.again = ipw.Button(description="Look again", tooltip="Read the board now; it also happens by itself")
        self.told, self.problems = ipw.HTML(line("")), ipw.HTML()
        self.alert, self.trouble = Alert(), Alert()  # of submitting, of looking: one must not take the other away
        self.figure = leaderboard_figure(self.state.page.dark)
        self.table = Table(
            [
                {"title": title, "number": title in _COLUMNS[1:4], "largest": title in _COLUMNS[1:2]}
                for title in _COLUMNS
            ],
            {"Try it": self._try},
            empty=_EMPTY,
            picked=self._pick,
        )
        self.link = CopyLink(self._fragment, label="Copy a link to the recipe of the marked row")
        self._seen = ipw.VBox([buttons(self.link), self.figure], layout={"display": "none"})
        self.pulse = Pulse(self._look)
        self.show(
            self.name,
            buttons(self.go, self.again),
            self.told,
            self.alert,
            self.trouble,
            self.table,
            self.problems,
            self._seen,
            ipw.HTML(_READING),
            self.pulse,
        )
        self.go.on_click(lambda _: self._submit())
        self.again.on_click(lambda _: self._look())
        self.name.observe(lambda _: self._draw(), "value")
        for trace in self.figure.data:
            trace.on_click(self._point)
        self.follow(self._dress, ["dark"], of=self.state.page)
        self.follow(self._turn, ["value"], of=self.opened)
        self.follow(self._look, ["baseline"])
        self.follow(self._ready, ["current", "saved"])

    # what is asked

    def _turn(self) -> None:
        self.pulse.on = self.opened.value
        self._look()

    def _look(self) -> None:
        with self.state.lock:
            original = self.state.baseline
            if self.opened.value and original is not None and original.final:
                self.engine.leaderboard.look(self.pulse.who, self.locked(self._shown), self.locked(self._troubled))

    def _ready(self) -> None:
        row = self.state.current
        self.go.disabled = not self.state.saved and (row is None or not row.final)

    def _submit(self) -> None:
        with self.state.lock:
            self.alert.tell("")
            self.told.value = line("Submitting …")
            self.engine.leaderboard.submit(
                self.name.value, self.pulse.who, self.locked(self._submitted), self.locked(self._refused)
            )

    def _submitted(self, sentence: str) -> None:
        self.told.value = line(sentence)
        self._look()

    def _refused(self, sentence: str) -> None:
        self.told.value = line("")
        self.alert.tell(sentence)

    # what is done with a row or a point

    def _pick(self, name: str) -> None:
        self._picked = name
        self.table.selected = name

    def _try(self, name: str) -> None:
        place = self._place(name)
        if place is not None:
            self._pick(name)
            self._restore(place.best)

    def _point(self, trace: object, points: object, _: object) -> None:
        spots = tuple(self._info.groups.values())[points.trace_index]
        if points.point_inds and points.point_inds[0] < len(spots) and (spot := spots[points.point_inds[0]]):
            self._pick(spot.name)
            self._restore(spot.point)

    def _restore(self, point: Point) -> None:
        self.state.put(recipe=point.recipe, seed=point.seed)

    def _fragment(self) -> str:
        place = self._place(self._picked)
        if place is None:
            raise Refused("click a row of the table first: the link carries its recipe")
        return fragment(place.submission.job(place.best))

    def _place(self, name: str) -> Place | None:
        places = self._standing.places if self._standing else ()
        return next((place for place in places if place.submission.name == name), None)

    # what is shown

    def _troubled(self, sentence: str) -> None:
        self.trouble.tell(sentence)
        self.table.empty = ""  # whether nobody has submitted is not known

    def _shown(self, standing: Standing) -> None:
        before, self._standing = self._standing, standing
        self.trouble.tell("")
        self.table.empty = _EMPTY
        self._seen.layout.display = None if standing.places else "none"
        if not self.name.value and len(standing.mine) == 1:
            self.name.value = next(iter(standing.mine))
        if before != standing:
            self._draw()

    def _draw(self) -> None:
        standing = self._standing
        if standing is None:
            return
        mine = " ".join(self.name.value.split())
        mine = mine if mine in standing.mine else ""
        self.table.rows = [
            {"key": place.submission.name, "cells": cells(place, place.submission.name == mine)}
            for place in standing.places
        ]
        self.problems.value = problems_html(standing.problems)
        self._info = leaderboard_info(standing.places, mine, standing.ground)
        draw_(self.figure, self._info)

    def _dress(self) -> None:
        with updating(self.figure):
            self.figure.update_layout(theme.plot_layout(self.state.page.dark))


def cells(place: Place, mine: bool) -> list[dict[str, object]]:
    """Return the cells of a name."""
    small = place.smallest
    return [
        {"text": f"{place.place}. {place.submission.name}{' (you)' if mine else ''}", "sort": place.place},
        {"text": f"{place.area:.3f} ({place.low:.3f} to {place.high:.3f})", "sort": place.area},
        {
            "text": "none yet" if small is None else _small(small),
            "sort": None if small is None else small.size_bytes,
        },
        {"text": str(len(place.front)), "sort": len(place.front)},
        {"text": recipe_text(place.best.recipe), "sort": str(place.best.recipe)},
    ]


def _small(point: Point) -> str:
    accuracy = point.accuracy
    return f"{quantity(point.size_bytes, 'bytes')} at {percent(accuracy.value)} ({interval(accuracy)})"


def problems_html(problems: tuple[str, ...]) -> str:
    """Return what could not be read, one sentence each, folded where there are many."""
    if not problems:
        return ""
    items = "".join(f"<li>{escape(problem)}</li>" for problem in problems)
    count = "one file" if len(problems) == 1 else f"{len(problems)} files"
    return f"<details class=dsw-quiet><summary>The board leaves out {count}</summary><ul>{items}</ul></details>"
