"""What a lesson's notebook calls: panels around the one state of the lesson, and its exercises.

    from widgets.lesson import Lesson

    Lesson("02-pruning").play("magnitude", panels=("layers",))

Every cell asks for its lesson by name and gets the same state, so that cells work in any order, and twice.
"""

from __future__ import annotations

import functools

import ipywidgets as ipw

from widgets.exercises import lesson_file
from widgets.panels._panel import Panel
from widgets.panels.budget import BudgetPanel
from widgets.panels.check import Check
from widgets.panels.classes import ClassesPanel
from widgets.panels.devices import DevicesPanel
from widgets.panels.flips import FlipsPanel
from widgets.panels.layers import LayersPanel
from widgets.panels.leaderboard import LeaderboardPanel
from widgets.panels.model import ModelPanel
from widgets.panels.recipe import RecipePanel
from widgets.panels.sensitivity import SensitivityPanel
from widgets.panels.speed import SpeedPanel
from widgets.panels.tradeoff import TradeoffPanel
from widgets.panels.training import TrainingPanel
from widgets.state import AppState
from workbench.errors import Refused

_PANELS: dict[str, type[Panel]] = {
    "model": ModelPanel,
    "tradeoff": TradeoffPanel,
    "budget": BudgetPanel,
    "flips": FlipsPanel,
    "classes": ClassesPanel,
    "layers": LayersPanel,
    "sensitivity": SensitivityPanel,
    "speed": SpeedPanel,
    "devices": DevicesPanel,
    "training": TrainingPanel,
    "leaderboard": LeaderboardPanel,
}


class Lesson:
    """A lesson by the name of its notebook. Raises `Refused` where there is no file of that name."""

    def __init__(self, name: str) -> None:
        self.name = name
        lesson_file(name)

    @property
    def state(self) -> AppState:
        """The state that all panels of the lesson share, as long as the kernel lives."""
        return _state(self.name)

    def play(self, *techniques: str, panels: tuple[str, ...] = ("tradeoff",)) -> ipw.Box:
        """Return the sliders of these techniques beside panels by name, opened. Raises `Refused` for others."""
        if unknown := [name for name in panels if name not in _PANELS]:
            raise Refused(f"there is no panel {unknown[0]!r} for lessons, there are: {', '.join(_PANELS)}")
        state = self.state
        with state.lock:
            state.page_shown = True  # once around all of these; an exercise brings its own
            try:
                sliders = RecipePanel(state, only=techniques)
                shown = [_PANELS[name](state) for name in panels]
            finally:
                state.page_shown = False
        for panel in shown:
            panel.opened.value = True
        column = ipw.Box(shown)
        column.add_class("dsw-column")
        left = ipw.Box([sliders])
        left.add_class("dsw-column")
        box = ipw.Box([left, column, state.page])
        box.add_class("dsw")
        box.add_class("dsw-app")
        return box

    def check(self, name: str) -> Check:
        """Return an exercise of the lesson."""
        return Check(self.name, name, self.state)


@functools.cache
def _state(name: str) -> AppState:
    """Return the state of a lesson, made at the first call."""
    file = lesson_file(name)
    return AppState(file.model, file.data, file.start)
