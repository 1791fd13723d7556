"""What it saves: money, energy and time of the requests on one device."""

from __future__ import annotations

import math
from collections.abc import Callable

from widgets.answer import figure, figures, quiet, say
from widgets.figures import pictures
from widgets.figures.pictures import Bar
from widgets.stakeholder.answers._question import Asked, Question, Wishes, asking
from widgets.stakeholder.wording import energy, money, origin, ranged, saved_range, term
from widgets.text import milliseconds, percent
from workbench.briefing.savings import Amount, Savings, savings
from workbench.devices.outlook import forecasts

_LITTLE = 0.01
Written = Callable[[float], str]
"""How a number is written with its unit."""


def what_it_saves(asked: Asked) -> str:
    """Return money, energy and time of the requests on one device. Raises `Refused`."""
    wishes = asked.wishes
    before, after = (
        next((each for each in forecasts(version.details) if each.profile.name == wishes.device), None)
        for version in (asked.original, asked.chosen)
    )
    if before is None or after is None:
        return say("This device is not known any more: choose another one above.")
    title = before.profile.title
    found = savings(before, after, requests_per_day=wishes.requests_per_day, usd_per_kwh=wishes.usd_per_kwh)
    if found is None:
        which = "The original does" if after.runs else "The smaller network does" if before.runs else "Neither does"
        not_ = "" if not (before.runs or after.runs) else " not"
        return say(f"{which}{not_} run on {title}, so nothing can be compared: choose another device above.")
    return "".join(
        (
            say(_saved_sentence(found, wishes, title)),
            figures(
                _saved("Money", found.usd, money, "rent" if found.rented else "electricity"),
                _saved("Energy", found.energy_kwh, energy),
                _saved("Time of one request", found.latency_ms, milliseconds, yearly=False),
            ),
            pictures.bars(
                f"On {title}, of what the original takes (100)",
                ("What", "Before and now", "Typical"),
                [
                    bar
                    for name, amount, written in (
                        ("money", found.usd, money),
                        ("energy", found.energy_kwh, energy),
                        ("time", found.latency_ms, milliseconds),
                    )
                    for bar in _pair(name, amount, written)
                ],
            ),
            quiet(_capacity(found)),
            quiet(
                "Nothing here was measured. The thin lines go from the best use of the device to the worst, which is "
                "taken to be the same before and after; a much smaller network may use it less well."
            ),
        )
    )


def _saved_sentence(found: Savings, wishes: Wishes, title: str) -> str:
    saved, before = found.energy_kwh.saved.value, found.energy_kwh.before.value
    requests = f"{wishes.requests_per_day:,} requests a day on {title}"
    if abs(saved) < _LITTLE * before:
        return (
            f"Next to nothing for {requests}. The file is smaller, but the device has about as much to compute as "
            "before: fewer or simpler multiplications would save time and energy."
        )
    word = "less" if saved > 0 else "more"
    return f"Typically {percent(abs(saved) / before, 0)} {word} energy for {requests}."


def _saved(title: str, amount: Amount, written: Written, word: str = "", *, yearly: bool = True) -> str:
    saved = amount.saved
    a_year = " a year" if yearly else ""
    what = "more" if saved.value < 0 else "less"
    said = f"{title}{f' ({term(word)})' if word else ''}: {written(amount.after.value)} instead of "
    about = f"{said}{written(amount.before.value)}{a_year}"
    how = origin(saved, saved_range(saved, written))
    return figure(f"{written(abs(saved.value))} {what}{a_year}", "", f"{about}<br>{how}")


def _pair(name: str, amount: Amount, written: Written) -> list[Bar]:
    whole = amount.before.value or 1.0
    return [
        Bar(
            label=f"{name} {when}",
            value=100 * each.value / whole,
            low=100 * each.low / whole,
            high=100 * each.high / whole,
            text=written(each.value),
            note=ranged(each, written),
            kind=kind,
        )
        for when, each, kind in (("before", amount.before, "before"), ("now", amount.after, "chosen"))
    ]


def _capacity(found: Savings) -> str:
    before, after = found.busy_hours.before.value, found.busy_hours.after.value
    if max(before, after) <= 24:
        return f"One device is busy {_hours(after)} a day instead of {_hours(before)}."
    return f"That is work for {math.ceil(after / 24):,} devices instead of {math.ceil(before / 24):,}."


def _hours(value: float) -> str:
    """Return hours in words."""
    return f"{value:.1f} h" if value >= 1 else f"{60 * value:.0f} min" if value >= 1 / 60 else f"{3600 * value:.2g} s"


asking.register(Question(name="savings", text="What does it save?", place=40, tell=what_it_saves, on_device=True))
