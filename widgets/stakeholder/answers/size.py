"""How small the file may be, and what other versions there are."""

from __future__ import annotations

from widgets.answer import figure, figures
from widgets.figures import pictures
from widgets.figures.pictures import Bar
from widgets.stakeholder.answers._question import Asked, Question, asking
from widgets.stakeholder.wording import loss, loss_range, origin, per_thousand, term
from widgets.text import capitalised, escape, percent, quantity
from workbench.result import Estimate

_SHOWN = 6
"""Versions that are drawn at the most."""


def how_small(asked: Asked) -> str:
    """Return how small the file may be, and what others there are."""
    family, chosen = asked.family, asked.chosen
    before, after = asked.original.size_bytes, chosen.size_bytes
    times = Estimate.counted(before.value / after.value)
    rows = [Bar(label="the original", value=before.value, text=_size(before), kind="before")]
    rows += [
        Bar(
            label="this version" if version is chosen else "another",
            value=version.size_bytes.value,
            text=_size(version.size_bytes),
            note=f"of 1,000: {loss(version.change.value)} ({loss_range(version.change)})",
            kind="chosen" if version is chosen else "",
        )
        for version in family.ladder(chosen, _SHOWN)
    ]
    sure, surely = len(family.sure(asked.wishes.accepted)), term("range", "surely")
    among = f"the smallest of {sure:,} versions that {surely} lose" if sure > 1 else f"the only one that {surely} loses"
    sentence = (
        f"The {term('file')} shrinks from {_size(before)} to <b>{_size(after)}</b>. It is {among} at most "
        f"{per_thousand(asked.wishes.accepted)} of 1,000 images; {len(family.versions):,} were compared."
    )
    return "".join(
        (
            f'<p class="dsw-say">{sentence}</p>',
            figures(
                figure(f"{times.value:.3g} times smaller", "the file", origin(times, "")),
                figure(_size(after), f"instead of {_size(before)}", origin(after, "")),
                figure(percent(1 - after.value / before.value), "less to store and to download", origin(times, "")),
            ),
            pictures.bars("Size of the file, and what it loses", ("Version", "Size of the file", "Size"), rows),
            "<details><summary>How this version was made, in the words of those who made it</summary>"
            f"<p>{escape(capitalised(chosen.recipe))}.</p></details>",
        )
    )


def _size(estimate: Estimate) -> str:
    """Return bytes in words."""
    return quantity(estimate.value, "bytes")


asking.register(Question(name="size", text="How small may it be?", place=10, tell=how_small))
