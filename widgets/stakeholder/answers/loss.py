"""How many images are wrong that were right, and the other way round."""

from __future__ import annotations

from widgets.answer import figure, figures, quiet, say
from widgets.figures import pictures
from widgets.figures.pictures import Kind
from widgets.stakeholder.answers._question import Asked, Question, asking
from widgets.stakeholder.wording import loss, loss_range, origin, ranged
from widgets.text import capitalised, percent
from workbench.briefing.classes import counts
from workbench.errors import Refused
from workbench.forgetting.parts import Part, parts, whole


def what_we_lose(asked: Asked) -> str:
    """Return how many images are wrong that were right, and the other way round."""
    change, before, after = asked.chosen.change, asked.original.accuracy, asked.chosen.accuracy
    said = (
        "As many images are right as before."
        if loss(change.value) == "none"
        else f"Of 1,000 images, {loss(change.value).replace('more', 'more are')} than before."
    )
    sure = (
        "That is more than chance explains."
        if change.high < 0
        else ("It may be none at all: the range includes no loss." if change.value < 0 else "")
    )
    told = [
        say(f"{said} {sure}".strip()),
        figures(
            figure(capitalised(loss(change.value)), "of 1,000 images", origin(change, loss_range(change))),
            figure(percent(after.value), "of images are right now", origin(after, ranged(after, percent))),
            figure(percent(before.value), "were right before", origin(before, ranged(before, percent))),
        ),
    ]
    try:
        told.append(_dots(whole(parts(counts(asked.chosen.details)))))
    except Refused as refusal:
        told.append(quiet(f"No picture: {refusal}."))
    return "".join(told)


def _dots(every: Part) -> str:
    images, lost, gained = every.images, every.lost, every.gained
    both = every.right - gained
    shares = pictures.thousand([part / images for part in (both, lost, gained, images - both - lost - gained)])
    kinds = (
        ("right before and now", pictures.BOTH, False),
        ("right before, wrong now", pictures.LOST, True),
        ("wrong before, right now", pictures.GAINED, True),
        ("wrong before and now", pictures.NEITHER, False),
    )
    drawn = [Kind(title=t, colour=c, square=s, count=n) for (t, c, s), n in zip(kinds, shares, strict=True)]
    return pictures.dots(drawn) + quiet(
        f"Each dot is one of 1,000 images, rounded; seen were {images:,}: {lost:,} of them were right and are wrong "
        f"now, {gained:,} the other way round."
    )


asking.register(Question(name="loss", text="What do we lose?", place=20, tell=what_we_lose))
