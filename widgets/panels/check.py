"""An exercise that is checked on the spot: right, or not yet and a hint."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import ipywidgets as ipw

from widgets.exercises import FOLDER, Exercise, Number, OneOf, Verdict, lesson_file
from widgets.panels._panel import Panel, buttons
from widgets.state import AppState
from widgets.text import escape
from workbench.errors import Refused

_EMPTY = '<p role="status"></p>'
_MEASURING = "Measuring where the sliders are; the answer is checked when that is done …"


class Check(Panel):
    """A question of a lesson, a place for the answer, and what to say of it.

    What a person gives never raises: whatever it is, a sentence says what to do. Where the sliders take part, an answer
    that comes while they are being measured is checked when that is done, and moving them takes the verdict away. Its
    heading is its number in the lesson: the lesson says "Check yourself" once, above all of them.
    """

    title = "Exercise"

    def __init__(self, lesson: str, name: str, state: AppState | None = None, *, folder: Path = FOLDER) -> None:
        self._lesson, self._name, self._folder = lesson, name, folder
        super().__init__(state)

    def build(self) -> None:
        self.told = ipw.HTML(_EMPTY)
        self.answer: ipw.Widget | None = None
        self.exercise: Exercise | None = None
        self._waiting = False
        try:
            self.exercise = self._find()
        except Refused as refusal:
            self.show(ipw.HTML(_verdict_html(Verdict(False, f"{refusal}."))))
            return
        self.answer = _control(self.exercise)
        words = "Check the sliders" if self.answer is None else "Check"
        self.go = ipw.Button(description=words, tooltip="Say whether this is right")
        question = ipw.HTML(f"<p>{escape(self.exercise.question)}</p>")
        self.show(question, *([] if self.answer is None else [self.answer]), buttons(self.go), self.told)
        self.go.on_click(lambda _: self._ask())
        if isinstance(self.answer, ipw.Text):  # Enter asks too
            self.answer.observe(lambda _: self._ask(), "value")
        if self.exercise.looks:
            self.follow(self._forget, ["model", "data", "recipe"])
            self.follow(self._measured, ["busy", "current"])

    def _find(self) -> Exercise:
        found = lesson_file(self._lesson, self._folder).exercises
        if self._name not in found:
            raise Refused(f"the lesson {self._lesson} has no exercise {self._name!r}, it has: {', '.join(found)}")
        self.heading.value = f"<h2>{self.title} {list(found).index(self._name) + 1}</h2>"
        return found[self._name]

    def _ask(self) -> None:
        if self.exercise is None:
            return
        with self.state.lock:
            self._waiting = self.exercise.looks and self.state.busy
            if self._waiting:
                self._say(_MEASURING)
                return
            given: Any = None if self.answer is None else self.answer.value
            self.told.value = _verdict_html(self.exercise.judge(given, self.state.baseline, self.state.current))

    def _measured(self) -> None:
        if self._waiting and not self.state.busy:
            self._ask()

    def _forget(self) -> None:
        """Take back a verdict about sliders that have moved since."""
        self._waiting = False
        self._say("")

    def _say(self, sentence: str) -> None:
        self.told.value = f'<p class="dsw-quiet dsw-line" role="status">{escape(sentence)}</p>' if sentence else _EMPTY


def _control(exercise: Exercise) -> ipw.Widget | None:
    """Return where the answer is given; None where the sliders are the answer."""
    if isinstance(exercise, OneOf):
        choice = ipw.RadioButtons(options=exercise.options, value=None, description="Your answer")
        choice.add_class("dsw-choices")
        return choice
    if isinstance(exercise, Number):
        unit = f" ({exercise.unit})" if exercise.unit else ""
        number = ipw.Text(description=f"Your answer{unit}", placeholder="a number", continuous_update=False)
        number.add_class("dsw-given")
        return number
    return None


def _verdict_html(verdict: Verdict) -> str:
    """Return a verdict as HTML; sign and words say what the colour says."""
    look, sign = ("dsw-right", "✓") if verdict.right else ("dsw-not-yet", "…")
    return (
        f'<p class="dsw-verdict {look}" role="status"><span aria-hidden="true">{sign}</span> '
        f"{escape(verdict.sentence)}</p>"
    )
