"""Architecture search: networks of a space are tried one after the other, beside a control arm that draws at random.

Both arms judge equally many networks in the same way, on validation images, and take turns, so that whoever stops early
has compared like with like. What is beyond a limit is counted and not trained. Test images come later, for networks
that were trained fully (`workbench.search.finish`).
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import final

from workbench.context import Progress, Report, ignore
from workbench.models._train import Lesson, lesson
from workbench.registry import strategies
from workbench.result import Estimate, Status
from workbench.search.candidate import Arm, Candidate
from workbench.search.counting import Count, counted
from workbench.search.judging import Brief, Judge, Shared, Verdict
from workbench.search.nas_plan import Plan
from workbench.search.strategy import Proposer
from workbench.search.supernet import Sandwich, fresh, trained_supernet
from workbench.space import Space

CONTROL = "random"
"""The strategy of the control arm."""
_UNJUDGED = 20
"""An arm ends after so many times as many networks as it may judge were beyond a limit."""
_SUPERNET = 0.8
"""The share of the bar that training a supernet takes."""


def search_architectures(plan: Plan, *, report: Report = ignore) -> Iterator[Candidate]:
    """Yield candidates as they are tried, the search and its control arm in turns.

    Equal plans give equal candidates on one machine with one thread. Raises `Refused`; `Cancelled`, raised by the
    report, passes through: what was yielded until then stands.
    """
    course = lesson(plan.region.smallest.spelled, plan.data, plan.seed)
    control = strategies.get(CONTROL)
    kinds: list[tuple[Arm, Proposer]] = [("control", control.begin(plan.region, plan.trials, plan.seed + 1))]
    if plan.chosen is not control:
        kinds.insert(0, ("search", plan.chosen.begin(plan.region, plan.trials, plan.seed)))
    arms = [_Arm(name=name, proposer=proposer) for name, proposer in kinds]
    start = _SUPERNET if plan.chosen.shares else 0.0
    judge = _judge(plan, course, part(report, 0.0, start))
    bench = _Bench(plan, course, judge, part(report, start, 1.0), len(arms) * plan.trials)
    while waiting := [arm for arm in arms if not arm.over]:
        for arm in waiting:
            yield from bench.turn_(arm)
    if not bench.done:  # the limits are tight, or nothing can keep them: then this says by how far
        yield bench.tried(arms[-1], plan.region.smallest)


def part(report: Report, start: float, end: float, words: str = "") -> Report:
    """Return a report of work that is a part of other work, from one fraction of it to another."""

    def told(news: Progress) -> None:
        report(Progress(start + (end - start) * news.fraction, words + news.message, news.curves))

    return told


def classes_of(course: Lesson) -> int:
    """Return how many classes the data of a lesson have."""
    with_scores = course.context.original(course.context.example)
    return int(with_scores.shape[1])


def _judge(plan: Plan, course: Lesson, report: Report) -> Judge:
    classes = classes_of(course)
    if not plan.chosen.shares:
        return Brief(course, plan.epochs, classes)
    return Shared(course, trained_supernet(plan.region.space, course, plan.data, Sandwich(), report))


@dataclass(kw_only=True)
class _Arm:
    name: Arm
    proposer: Proposer
    judged: int = 0
    beyond: int = 0
    over: bool = False


@final
class _Bench:
    """Where both arms bring their networks: what one has found out, the other need not."""

    def __init__(self, plan: Plan, course: Lesson, judge: Judge, report: Report, total: int) -> None:
        self._plan, self._course, self._judge = plan, course, judge
        self._report, self._total, self.done = report, total, 0
        self._classes = classes_of(course)
        self._counts: dict[Space, Count] = {}
        self._verdicts: dict[Space, Verdict] = {}

    def turn_(self, arm: _Arm) -> Iterator[Candidate]:
        """Yield what an arm tries next, up to the first network that keeps all limits."""
        while not arm.over:
            point = arm.proposer.ask()
            if point is None:
                arm.over = True
                return
            candidate = self.tried(arm, point)
            loss = candidate.estimates["cross_entropy"].value if candidate.judged else math.inf
            cost = candidate.estimates[self._plan.objective].value if candidate.judged else math.inf
            arm.proposer.tell(point, loss, math.log10(max(cost, 1e-9)), candidate.excess)
            arm.judged += candidate.judged
            arm.beyond += not candidate.judged
            arm.over = arm.judged >= self._plan.trials or arm.beyond >= _UNJUDGED * self._plan.trials
            yield candidate
            if candidate.judged:
                self.done += 1
                return

    def tried(self, arm: _Arm, point: Space) -> Candidate:
        """Return what is found out about a network for an arm."""
        began, fraction = time.monotonic(), min(1.0, self.done / self._total)
        self._report(Progress(fraction, f"{arm.name}: counting a network"))
        count = self._counted(point)
        reasons = (*_exceeded(count.estimates, self._plan.limits), *count.obstacles)
        if reasons:
            return Candidate(
                point=point,
                arm=arm.name,
                number=0,
                status=Status.INFEASIBLE,
                message="; ".join(reasons),
                estimates=count.estimates,
                excess=_excess(count.estimates, self._plan.limits) + count.overflow,
            )
        known = point in self._verdicts
        if not known:
            words = f"{arm.name}, network {arm.judged + 1} of {self._plan.trials}: "
            inner = part(self._report, fraction, min(1.0, (self.done + 1) / self._total), words)
            self._verdicts[point] = self._judge(point, inner)
        found = self._verdicts[point]
        return Candidate(
            point=point,
            arm=arm.name,
            number=arm.judged + 1,
            estimates={**count.estimates, "accuracy": found.accuracy, "cross_entropy": found.cross_entropy},
            right=found.right,
            seconds=0.0 if known else time.monotonic() - began,
        )

    def _counted(self, point: Space) -> Count:
        if point not in self._counts:
            network = fresh(point, self._classes)
            self._counts[point] = counted(network, self._course, self._plan.costs, self._plan.profile)
        return self._counts[point]


def _exceeded(estimates: Mapping[str, Estimate], limits: tuple[tuple[str, float], ...]) -> Iterator[str]:
    for name, most in limits:
        if name in estimates and estimates[name].value > most:
            yield f"{name} is {estimates[name].value:,.6g}, at most {most:,.6g} is allowed"


def _excess(estimates: Mapping[str, Estimate], limits: tuple[tuple[str, float], ...]) -> float:
    return sum(max(0.0, estimates[name].value / most - 1) for name, most in limits if name in estimates)
