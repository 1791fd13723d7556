"""Answers as HTML, for the page and for the report alike: one file each, which registers its question."""

from __future__ import annotations

from dataclasses import dataclass

from widgets.answer import say, section
from widgets.stakeholder.answers._question import Asked, Question, Wishes, asking
from widgets.stakeholder.wording import per_thousand
from workbench.briefing.versions import Family
from workbench.errors import Refused

__all__ = ["Answer", "Question", "Wishes", "answers", "questions"]


@dataclass(frozen=True, kw_only=True)
class Answer:
    """A question with its answer."""

    question: Question
    html: str

    @property
    def name(self) -> str:
        """That of the question."""
        return self.question.name

    @property
    def section(self) -> str:
        """The whole as HTML."""
        return section(self.question.text, self.html)


def questions() -> tuple[Question, ...]:
    """Return all questions in the order in which they are asked."""
    return tuple(sorted(asking, key=lambda question: question.place))


def answers(family: Family, wishes: Wishes) -> tuple[Answer, ...]:
    """Return all answers about a family; where no version is good enough, each says what to do."""
    chosen = family.smallest(wishes.accepted)
    if chosen is None:
        html = _none(family, wishes)
        return tuple(Answer(question=question, html=html) for question in questions())
    asked = Asked(family=family, chosen=chosen, wishes=wishes)
    return tuple(Answer(question=question, html=_told(question, asked)) for question in questions())


def _told(question: Question, asked: Asked) -> str:
    try:
        return question.tell(asked)
    except Refused as refusal:
        return say(f"This is not known: {refusal}.")


def _none(family: Family, wishes: Wishes) -> str:
    surest = family.surest()
    if surest is None:
        return say("No smaller version of this network has been measured yet.")
    return say(
        f"No stored version is sure to lose at most {per_thousand(wishes.accepted)} of 1,000 images. The surest one "
        f"may lose up to {per_thousand(surest.worst_loss)}: accept more above, or measure with more test images "
        f"(it was measured on {surest.accuracy.n or 0:,})."
    )
