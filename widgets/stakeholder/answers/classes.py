"""Who notices: the classes by how much fewer of their images are right."""

from __future__ import annotations

from widgets.answer import figure, figures, quiet
from widgets.figures import pictures
from widgets.figures.pictures import Bar
from widgets.stakeholder.answers._question import Asked, Question, asking
from widgets.stakeholder.wording import of_hundred, origin, ranged, term
from widgets.text import escape
from workbench.briefing.classes import counts
from workbench.forgetting.parts import parts

_SHOWN = 12
"""Classes that are drawn at the most."""


def who_notices(asked: Asked) -> str:
    """Return the classes that fall most. Raises `Refused`."""
    classes = parts(counts(asked.chosen.details))
    worst, falling = classes[0], [each for each in classes if each.loses]
    if falling:
        names = ", ".join(each.name for each in falling[:3]) + (" and others" if len(falling) > 3 else "")
        sentence = f"Whoever needs {escape(names)}: there it is {term('surely')} worse than before."
    elif worst.change.value < 0:
        sentence = (
            f"Nobody {term('surely')}: no {term('class')} falls by more than chance explains. The largest fall seen is "
            f"that of {escape(worst.name)}."
        )
    else:
        sentence = f"Nobody: no {term('class')} has fewer right than before."
    rows = [
        Bar(
            label=each.name,
            value=100 * each.change.value,
            low=100 * each.change.low,
            high=100 * each.change.high,
            text=of_hundred(each.change.value),
            note=f"{ranged(each.change, of_hundred)}; {each.images:,} images",
            kind="bad" if each.loses else "",
        )
        for each in classes[:_SHOWN]
    ]
    rest = len(classes) - len(rows)
    seen = f"{term('measured')} on {sum(each.images for each in classes):,} {term('test images')}"
    told = (
        f'<p class="dsw-say">{sentence}</p>',
        figures(
            figure(
                of_hundred(worst.change.value),
                f"right of 100 images of {worst.name}, the class that falls most",
                origin(worst.change, ranged(worst.change, of_hundred)),
            ),
            figure(f"{len(falling)} of {len(classes)}", "classes surely fall", seen),
        ),
        pictures.bars(
            "Right answers of 100 images of a class: fewer to the left, more to the right",
            ("Class", "Change", "Of 100 images"),
            rows,
        ),
        quiet(f"{rest:,} more classes fall less or not at all.") if rest else "",
    )
    return "".join(told)


asking.register(Question(name="classes", text="Who notices?", place=30, tell=who_notices))
