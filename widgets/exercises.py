"""Exercises of lessons, as plain values: a question, what is right, and what to say where it is not.

Each lesson has one file, `widgets/lessons/NAME.toml`: which network it is about, what its sliders show at first, and
its exercises by name. It is apart from the notebook, so that nobody reads the answers in passing.

    model = "digits-cnn"                    # and data = "digits", if they are others
    start = { weight_bits = { bits = 4 } }  # steps of the recipe that the lesson begins with

    [bytes]
    question = "How many bytes does a number of 32 bits take?"
    answer = 4                              # a number; `within = 1` allows that much more or less
    unit = "bytes"
    hint = "A byte has eight bits."
    right = "So a million of them take 4 MB."

Instead of `answer` there may be

    measured = "accuracy"                   # what the sliders show now, in the unit a person reads (percent);
                                            # `size_bytes_ratio` is how many times less than the original
    options = [...]                         # with `answer` the right one of them
    at_most = { size_bytes = 20000 }        # what the sliders have to show, with `at_least`, and one way there:
    solution = { weight_bits = { bits = 4 } }

and any of them may ask for what has to be switched on: `steps = { weight_bits = { bits = 4 } }`.
"""

from __future__ import annotations

import math
import re
import tomllib
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, final

from widgets.text import estimate_text, interval, percent, quantity
from workbench.errors import Refused
from workbench.recipe import Recipe
from workbench.registry import measures, techniques
from workbench.result import Estimate, Result

FOLDER = Path(__file__).parent / "lessons"
_LONGEST = 40
_NUMBER = re.compile(r"([+-]?(?:\d+[.,]?)*\d+(?:e[+-]?\d{1,4})?|[+-]?[.,]\d+)\s*(.*)", re.IGNORECASE)
_RATIO = "_ratio"

Settings = Mapping[str, Mapping[str, Any]]
"""Fields of techniques by the name of the technique."""


@dataclass(frozen=True)
class Verdict:
    """What is said of an answer."""

    right: bool
    sentence: str


@dataclass(frozen=True, kw_only=True)
class Exercise(ABC):
    """A question. `steps` has to be switched on in the sliders, with these settings."""

    question: str
    hint: str
    right: str = ""
    steps: Settings = field(default_factory=dict)

    @property
    def looks(self) -> bool:
        """Whether what the sliders show takes part in the answer."""
        return bool(self.steps)

    def judge(self, given: Any, baseline: Result | None, now: Result | None) -> Verdict:
        """Return what to say of what a person gave; both rows are final where the exercise `looks`."""
        if self.looks:
            if now is None or baseline is None or not now.final:
                return Verdict(False, "There is nothing measured to look at: run the cell with the sliders first.")
            if missing := _missing(self.steps, now.job.recipe):
                return Verdict(False, f"The sliders do not show this yet: {missing}.")
        return self._judge(given, baseline, now)

    @abstractmethod
    def _judge(self, given: Any, baseline: Result | None, now: Result | None) -> Verdict:
        """Return the verdict where the sliders are as they have to be."""

    def _said(self, right: bool, facts: str = "") -> Verdict:
        words = f"Right. {facts} {self.right}" if right else f"Not yet. {facts} {self.hint}"
        return Verdict(right, " ".join(words.split()))


@final
@dataclass(frozen=True, kw_only=True)
class Number(Exercise):
    """A number, known or measured now; right within `within` of it."""

    answer: float = math.nan
    measured: str = ""
    within: float = 0.0
    unit: str = ""

    @property
    def looks(self) -> bool:
        return bool(self.steps or self.measured)

    def _judge(self, given: Any, baseline: Result | None, now: Result | None) -> Verdict:
        try:
            values = numbers(given, self.unit)
        except Refused as refusal:
            return Verdict(False, str(refusal))
        wanted = self.answer
        if self.measured:
            assert baseline is not None  # noqa: S101  # `judge` has looked
            assert now is not None  # noqa: S101
            wanted = shown(self.measured, baseline, now)
            if not math.isfinite(wanted):
                return Verdict(False, "The sliders show no such number now: move one and try again.")
        margin = self.within + 1e-9 * abs(wanted)
        return self._said(any(abs(value - wanted) <= margin for value in values))


@final
@dataclass(frozen=True, kw_only=True)
class OneOf(Exercise):
    """One of several choices."""

    options: tuple[str, ...]
    answer: str

    def __post_init__(self) -> None:
        if self.answer not in self.options:
            raise Refused(f"the answer {self.answer!r} is none of the options {', '.join(map(repr, self.options))}")

    def _judge(self, given: Any, baseline: Result | None, now: Result | None) -> Verdict:
        if given not in self.options:
            return Verdict(False, "Pick one of the answers first.")
        return self._said(given == self.answer)


@final
@dataclass(frozen=True, kw_only=True)
class Reach(Exercise):
    """Sliders that show numbers within limits; `at_least` and `at_most` hold them by estimate, fractions in [0, 1].

    `solution` is one way there, for teachers and tests.
    """

    at_least: Mapping[str, float] = field(default_factory=dict)
    at_most: Mapping[str, float] = field(default_factory=dict)
    solution: Settings = field(default_factory=dict)

    @property
    def looks(self) -> bool:
        return True

    def _judge(self, given: Any, baseline: Result | None, now: Result | None) -> Verdict:
        estimates = {} if now is None else now.estimates
        facts, kept = [], True
        for limits, word in ((self.at_least, "at least"), (self.at_most, "at most")):
            for name, limit in limits.items():
                found = estimates.get(name)
                inside = found is not None and (found.value >= limit if word == "at least" else found.value <= limit)
                kept &= inside
                facts.append(f"{_title(name)}: {_told(found)}{'' if inside else f', {word} {_limit(found, limit)}'}.")
        return self._said(kept, " ".join(facts))


@dataclass(frozen=True, kw_only=True)
class LessonFile:
    """What the file of a lesson says."""

    model: str
    data: str
    start: Recipe
    exercises: Mapping[str, Exercise]


def lesson_file(name: str, folder: Path = FOLDER) -> LessonFile:
    """Read the file of a lesson. Raises `Refused` where there is none, or where it cannot be read."""
    names = sorted(path.stem for path in folder.glob("*.toml"))
    if name not in names:
        raise Refused(f"there is no lesson {name[:_LONGEST]!r}, there are: {', '.join(names)}")
    try:
        content = tomllib.loads((folder / f"{name}.toml").read_text(encoding="utf-8"))
        steps = content.pop("start", {})
        return LessonFile(
            model=content.pop("model", "digits-cnn"),
            data=content.pop("data", "digits"),
            start=recipe_of(steps),
            exercises={key: exercise(fields) for key, fields in content.items()},
        )
    except (tomllib.TOMLDecodeError, TypeError, AttributeError, Refused) as error:
        raise Refused(f"the file of the lesson {name} cannot be used: {error}") from None


def recipe_of(settings: Settings) -> Recipe:
    """Return the recipe of these steps, in the order in which they are written. Raises `Refused` or `TypeError`."""
    return Recipe(tuple(techniques.get(name)(**fields) for name, fields in settings.items()))


def exercise(fields: Mapping[str, Any]) -> Exercise:
    """Return the exercise that a table of a lesson's file describes. Raises `Refused` or `TypeError`."""
    content = {"steps": {}, **fields}
    for settings in (content["steps"], content.get("solution", {})):
        recipe_of(settings)
    if "options" in content:
        return OneOf(**{**content, "options": tuple(content["options"])})
    if "at_least" in content or "at_most" in content:
        return Reach(**content)
    if ("answer" in content) == ("measured" in content):
        raise Refused("an exercise has either answer or measured, options with answer, or at_least and at_most")
    return Number(**content)


def numbers(text: Any, unit: str = "") -> tuple[float, ...]:
    """Return what a person may have meant by a number: `1,797` is 1797 or 1.797. Raises `Refused` with what to do."""
    words = str(text or "").replace("−", "-").strip()
    if not words:
        raise Refused("Write a number first.")
    example = f"one number alone, such as 12.5{f', in {unit}' if unit else ''}"
    joined = re.sub(r"(?<=\d)[\s_'](?=\d)", "", words)
    found = _NUMBER.fullmatch(joined) if len(words) <= _LONGEST and words.isascii() else None
    if found is None or found[2].lower() not in ("", unit.lower(), *(("percent",) if unit == "%" else ())):
        raise Refused(f"That cannot be read as a number: write {example}.")
    digits = found[1]
    texts = {digits.replace(",", ""), digits.replace(",", ".")} if digits.count(",") == 1 else {digits.replace(",", "")}
    values = []
    for candidate in texts:
        try:
            values.append(float(candidate))
        except ValueError:  # as in 1.2.3
            continue
    if not values:
        raise Refused(f"That cannot be read as a number: write {example}.")
    if not all(map(math.isfinite, values)):
        raise Refused("That number is beyond all that can be measured here: write a smaller one.")
    return tuple(values)


def shown(name: str, baseline: Result, now: Result) -> float:
    """Return a number of the sliders as a person reads it: fractions in percent; NaN where it is not there.

    `NAME_ratio` is how many times less of NAME there is than in the original.
    """
    if name.endswith(_RATIO):
        before, after = (row.estimates.get(name.removesuffix(_RATIO)) for row in (baseline, now))
        return before.value / after.value if before is not None and after is not None and after.value else math.nan
    found = now.estimates.get(name)
    if found is None:
        return math.nan
    return 100 * found.value if found.unit == "fraction" else found.value


def _missing(steps: Settings, recipe: Recipe) -> str:
    """Return in words what has to be switched on and is not; "" where all is as it has to be."""
    wanted = []
    for name, settings in steps.items():
        technique = techniques.get(name)
        on = [step for step in recipe.steps if step.name == name]
        if not any(all(getattr(step, key) == value for key, value in settings.items()) for step in on):
            values = (f"{key.replace('_', ' ')} {_setting(value)}" for key, value in settings.items())
            wanted.append(f"{technique.title.lower()} on, {', '.join(values)}".rstrip(", "))
    return "; ".join(wanted)


def _setting(value: Any) -> str:
    if isinstance(value, bool):
        return "ticked" if value else "not ticked"
    return percent(value, 0) if isinstance(value, float) else str(value)


def _title(name: str) -> str:
    return next((measure.title for measure in measures if measure.name == name), name.replace("_", " ").capitalize())


def _told(found: Estimate | None) -> str:
    if found is None:
        return "not measured"
    text = estimate_text(found)
    return text if found.low == found.high else f"{text} ({interval(found)}, {found.n} images)"


def _limit(found: Estimate | None, limit: float) -> str:
    unit = "" if found is None else found.unit
    words = percent(limit) if unit == "fraction" else quantity(limit, "" if unit == "MACs" else unit)
    return f"{words} is asked for"
