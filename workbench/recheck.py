"""Submissions run again: what a name says of its points, against what the same recipes give here.

Whoever may write into the folder of a class may write any number there. So a teacher lets the recipes run once more,
with nothing that others in the class have solved before. Solved weights differ in their last bits between processors,
so that a few answers may differ. What differs by more was not measured by this version of the workbench, or a contest
that chooses its methods was close and had another winner.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum

from workbench.context import Report, ignore
from workbench.reconstruction.contest import AUTO
from workbench.result import Estimate, Result, Status
from workbench.run import run
from workbench.submissions import Point, Submission

IMAGES_WITHIN = 3
"""How many test images may be answered otherwise, however many there are.

Measured on recipes that the lessons prepare, drawn at random, on 600 images, with one thread and with two: of 9 that
name their methods, 8 gave the same number of right answers and 1 differed by one. The rest is room for processors that
nobody has measured. Of 25 whose methods a contest chooses, 18 stayed within two images, 6 differed by 4 to 8, and one
by 563, because a refit had emptied a layer, which it no longer does; 12 of the files differed by more than
`SIZE_WITHIN`, so other rivals seem to have won. `compared` says where contests choose.
"""
SIZE_WITHIN = 0.01
"""The share by which file size may differ."""


class Outcome(StrEnum):
    """What became of a point."""

    SAME = "same"
    CLOSE = "close"
    DIFFERS = "differs"
    FAILED = "failed"
    SKIPPED = "skipped"


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """A point of a submission, and what running it again gave."""

    submission: Submission
    point: Point
    outcome: Outcome
    sentence: str

    @property
    def reproduces(self) -> bool:
        """False where running it again gave something else, or nothing; a skipped point is not known to be wrong."""
        return self.outcome not in (Outcome.DIFFERS, Outcome.FAILED)


def recheck(submissions: Iterable[Submission], *, trains: bool = False, report: Report = ignore) -> Iterator[Verdict]:
    """Yield what becomes of each point; those that train are skipped unless `trains`, since they may take hours."""
    for submission in submissions:
        for point in submission.points:
            if point.recipe.trains and not trains:
                yield _verdict(submission, point, Outcome.SKIPPED, "it trains, and was not run again")
                continue
            *_, row = run(submission.job(point), report=report, user_code=False, alone=True)
            yield compared(submission, point, row)


def compared(submission: Submission, point: Point, row: Result) -> Verdict:
    """Return what a final row of the same recipe says of a point."""
    if row.status is not Status.OK:
        return _verdict(submission, point, Outcome.FAILED, row.message)
    accuracy, size = row.estimates["accuracy"], row.estimates["size_bytes"].value
    told = (
        f"said {100 * point.accuracy.value:.2f} % in {point.size_bytes:,} bytes, "
        f"got {100 * accuracy.value:.2f} % [{100 * accuracy.low:.2f}, {100 * accuracy.high:.2f}] in {size:,.0f} bytes"
    )
    other = "" if point.key == row.key else "; measured by another version, device or original"
    if point.accuracy.n != accuracy.n:
        other = f"; measured on {point.accuracy.n} images, there are {accuracy.n}"
        return _verdict(submission, point, Outcome.DIFFERS, told + other)
    images, share = abs(_right(point.accuracy) - _right(accuracy)), abs(point.size_bytes - size) / size
    if (images, share) == (0, 0.0):
        return _verdict(submission, point, Outcome.SAME, told + other)
    if images <= IMAGES_WITHIN and share <= SIZE_WITHIN:
        return _verdict(submission, point, Outcome.CLOSE, told + other)
    if any(getattr(step, name) == AUTO for step in point.recipe.steps for name in next(iter(step.rivals), ())):
        other += "; contests choose its methods, and close ones may have other winners elsewhere"
    return _verdict(submission, point, Outcome.DIFFERS, told + other)


def _right(accuracy: Estimate) -> int:
    """Return how many images were put in the right class."""
    return round(accuracy.value * (accuracy.n or 0))


def _verdict(submission: Submission, point: Point, outcome: Outcome, sentence: str) -> Verdict:
    return Verdict(submission=submission, point=point, outcome=outcome, sentence=sentence)
