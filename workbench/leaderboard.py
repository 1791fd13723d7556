"""The leaderboard of a class: who covers the largest area under their front of accuracy against file size.

Area, the score, is hypervolume (`workbench.search.front`) in a normalisation that everybody can work out by hand. To
the right runs the logarithm of the file size, because networks differ by factors: from the file of the original (0)
down to a file `SMALLEST` times smaller (1). Upwards runs accuracy, from chance, one in the number of classes (0), to
every test image right (1). The area is that of all places in this square that some point beats: a point beats what is
as large or larger and at most as accurate. So it is the mean, over sizes in between, of the best accuracy within that
size. It lies in [0, 1]; points that another one beats, files larger than the original and accuracies below chance add
nothing, and what is smaller than the smallest counts as the smallest.

Accuracies are measured, on test images that are the same for all; their intervals give an area at the low ends and one
at the high ends. The numbers of others are what they say: `workbench.recheck` measures them again. And all of them are
the best of many tries on the same images, which looks better than it is.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, replace

from workbench.errors import Refused
from workbench.ownership import owner
from workbench.result import Job, Result, Status
from workbench.search.pareto import front as front_of_rows
from workbench.search.pareto import unbeaten
from workbench.submissions import MOST_BYTES, MOST_POINTS, Point, Submission, clean_name, size_bytes

SMALLEST = 100
"""How many times smaller than the original the file is at which the size axis ends."""
WITHIN = 0.01
"""How much accuracy the smallest useful file may lose against the original."""


@dataclass(frozen=True, kw_only=True)
class Board:
    """What all on a board start from: the original, measured by whoever looks, never what a submission says."""

    size_bytes: float
    accuracy: float
    classes: int

    def __post_init__(self) -> None:
        fine = math.isfinite(self.size_bytes) and self.size_bytes > 0 and 0 <= self.accuracy <= 1 and self.classes > 1
        if not fine:
            raise Refused(f"a board needs an original with a size, an accuracy and two classes, got {self}")

    @property
    def smallest_bytes(self) -> float:
        """Where the size axis ends."""
        return self.size_bytes / SMALLEST

    @property
    def chance(self) -> float:
        """The accuracy of guessing, where the accuracy axis begins."""
        return 1 / self.classes

    @classmethod
    def of(cls, original: Result, classes: int) -> Board:
        """Return the board of a final row of the original. Raises `Refused`."""
        found = original.estimates
        if not original.final or original.status is not Status.OK or not {"accuracy", "size_bytes"} <= {*found}:
            raise Refused(original.message or "the original was not measured yet: wait until it is")
        return cls(size_bytes=found["size_bytes"].value, accuracy=found["accuracy"].value, classes=classes)


@dataclass(frozen=True, kw_only=True)
class Place:
    """One name on the board. Of equal areas all have the same place."""

    place: int
    submission: Submission
    area: float
    low: float
    """The area if every accuracy were at the low end of its interval, and `high` at the high end."""
    high: float
    front: tuple[Point, ...]
    """The points that no other of the same name beats, from small to large."""
    smallest: Point | None
    """The smallest file that loses at most `WITHIN` against the original."""

    @property
    def best(self) -> Point:
        """The point that speaks for the name: its smallest useful file, or else its most accurate one."""
        return self.smallest or self.front[-1]


def area(sizes: Iterable[float], accuracies: Iterable[float], ground: Board) -> float:
    """Return the area that points cover, their hypervolume, in [0, 1]; without points 0."""
    import torch

    from workbench.search.front import hypervolume

    bytes_ = torch.tensor([*sizes], dtype=torch.float64)
    if not len(bytes_):
        return 0.0
    worths = (torch.tensor([*accuracies], dtype=torch.float64) - ground.chance) / (1 - ground.chance)
    covered = hypervolume(bytes_, worths.clamp(0, 1)[None], ground.smallest_bytes, ground.size_bytes)
    return min(1.0, max(0.0, float(covered)))


def board(submissions: Iterable[Submission], ground: Board) -> tuple[Place, ...]:
    """Return the names in their order: larger areas first, equal ones by name."""
    measured = [(submission, _area(submission.points, ground)) for submission in submissions]
    measured.sort(key=lambda pair: (-pair[1], pair[0].name.casefold()))
    places: list[Place] = []
    for number, (submission, covered) in enumerate(measured, start=1):
        front = unbeaten(submission.points, lambda point: (point.size_bytes, point.accuracy.value))
        same = bool(places) and places[-1].area == covered
        enough = (p for p in front if p.accuracy.value >= ground.accuracy - WITHIN - 1e-9)
        places.append(
            Place(
                place=places[-1].place if same else number,
                submission=submission,
                area=covered,
                low=_area(submission.points, ground, "low"),
                high=_area(submission.points, ground, "high"),
                front=front,
                smallest=next(enough, None),
            )
        )
    return tuple(places)


def submission(name: str, rows: Iterable[Result], job: Job, who: str = "") -> Submission:
    """Return what a name submits of its rows about the model and data of a job. Raises `Refused`.

    Rows that are not final, failed, or are a control do not count, and of the others those on the front travel. Who has
    a model or data of their own is refused: nobody else could run that again.
    """
    name = clean_name(name)
    for what in (job.model.name, job.data.name):
        if what.startswith(("user:", "folder:")):
            raise Refused(f"a class compares what everybody has by its name, and {what[:80]!r} is yours alone")
    if job.model.checkpoint or job.model.mean or job.model.std or job.test_data is not None:
        raise Refused("a class compares what everybody has: weights, preprocessing or test data here are yours alone")
    fit = (
        row
        for row in rows
        if row.final
        and not row.provisional
        and row.job.recipe.steps
        and (row.job.model, row.job.data, row.job.test_data) == (job.model, job.data, None)
    )
    points = [
        Point(
            key=row.key,
            recipe=row.job.recipe,
            seed=row.job.seed,
            size_bytes=int(row.estimates["size_bytes"].value),
            accuracy=row.estimates["accuracy"],
        )
        for row in front_of_rows(fit)
    ]
    if not points:
        raise Refused("there is nothing to submit yet: move a slider, wait for its point, and submit or save it")
    if len(points) > MOST_POINTS:
        raise Refused(
            f"up to {MOST_POINTS} points may be submitted, your front has {len(points)}: remove some saved ones"
        )
    return Submission(name=name, owner=owner(name, who), model=job.model.name, data=job.data.name, points=tuple(points))


def together(now: Submission, before: Submission | None) -> tuple[Submission, int]:
    """Return a submission with the points of an older one that it does not beat, and how many these are.

    A kernel knows only what was shown in it: what somebody has submitted from another one must not be lost. Of one key,
    the newer point counts. Where there is no room for all, older ones are left out, the largest file first.
    """
    keys = {point.key for point in now.points}
    old = [point for point in (before.points if before else ()) if point.key not in keys]
    while True:
        front = unbeaten((*now.points, *old), lambda point: (point.size_bytes, point.accuracy.value))
        found = replace(now, points=front)
        old = [point for point in front if point.key not in keys]
        if not old or (len(front) <= MOST_POINTS and size_bytes(found) <= MOST_BYTES):
            return found, len(old)
        old.pop()


def _area(points: Iterable[Point], ground: Board, end: str = "value") -> float:
    known = [*points]
    return area((p.size_bytes for p in known), (getattr(p.accuracy, end) for p in known), ground)
