"""Automatic compression: a target in, the best recipe that was found out, with what was tried in vain.

In this order, until the time is up or somebody stops it: uniform settings, which are there within seconds; a plan for
single layers, solved exactly and made for real; a distillation of the best, where something is left to win back; where
accuracy is the limit, still smaller files with a distillation. All of it is chosen on validation images; each best so
far is measured on the test images as well, kept in the store, and stays whatever happens later.
"""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass

import torch
from torch.nn import functional as F

from workbench.context import Progress, Report, ignore
from workbench.errors import Refused
from workbench.recipe import Recipe
from workbench.result import Job, Result, Status
from workbench.run import run
from workbench.search.budget import contend, ground, least, opened, smallest, verdict
from workbench.search.contender import Contender, Ground, measured
from workbench.search.limits import SIZE, Limits
from workbench.search.uniform import quick
from workbench.store import Store
from workbench.techniques.distill import Distill

_LOSS = 0.001
"""What accuracy may be lost before a training is worth its time, where nobody said how much."""
_EPOCHS = (0.5, 5.0)
_SMALLER = 0.8
"""How much smaller the file is that a distillation is to make up for."""
_BATCH = 64


class _TimeIsUp(Exception):
    """Raised by the report at the deadline, and caught here."""


@dataclass(frozen=True, kw_only=True)
class Attempt:
    """One thing that was tried."""

    contender: Contender
    seconds: float
    """Since the start."""
    best: bool = False
    """Whether it was better than all before it."""
    row: Result | None = None
    """What the test images say; of those that were best alone."""


@dataclass(frozen=True, kw_only=True)
class Ending:
    """How it ended."""

    status: Status
    best: Attempt | None
    sentences: tuple[str, ...]
    """What was chosen and why, what was tried in vain, and what could not be done, in plain words."""


def auto_compress(
    job: Job,
    limits: Limits,
    *,
    seconds: float = 600.0,
    train: bool = True,
    protected: frozenset[str] = frozenset(),
    images: int = 1000,
    report: Report = ignore,
    store: Store | None = None,
    user_code: bool = True,
) -> Iterator[Attempt]:
    """Yield each attempt as it is judged; those that are best so far carry the row of the test images.

    The recipe of the job is not looked at. Raises `Refused` for limits that nobody can mean; `Cancelled`, raised by
    `report`, passes through, and what was yielded before stays true. `ending` says in words what came of it.
    """
    if not seconds > 0:
        raise Refused(f"the time must be above zero seconds, got {seconds:g}")
    job = dataclasses.replace(job, recipe=Recipe())
    start = time.monotonic()

    def timed(progress: Progress) -> None:
        if time.monotonic() - start > seconds:
            raise _TimeIsUp
        report(progress)

    best: Attempt | None = None
    contenders = _contenders(job, limits, start + seconds, train, protected, images, timed, user_code)
    while True:
        try:
            contender = next(contenders, None) if best is None else contenders.send(best.contender)
        except (_TimeIsUp, StopIteration):
            return
        if contender is None:
            return
        better = contender.keeps and (best is None or _beats(contender, best.contender, limits))
        attempt = Attempt(contender=contender, seconds=time.monotonic() - start, best=better)
        if better:
            # the time that this takes is not bounded: a best that nobody measured would be none
            *_, row = run(
                dataclasses.replace(job, recipe=contender.recipe), report=report, store=store, user_code=user_code
            )
            attempt = dataclasses.replace(attempt, row=row)
            best = attempt
        yield attempt


def ending(attempts: Sequence[Attempt], limits: Limits, *, stopped: bool = False) -> Ending:
    """Return in plain words what came of the attempts so far."""
    best = next((each for each in reversed(attempts) if each.best), None)
    told: list[str] = []
    if stopped:
        told.append("Stopped before the end; the best so far is kept.")
    contenders = [each.contender for each in attempts]
    if best is None:
        told.append(f"Nothing that was tried keeps to {limits}.")
        near = min(contenders, key=lambda each: each.costs[SIZE], default=None)
        if near is not None:
            lost = near.trial.judgement.drop.value
            which = f"The smallest file among {len(contenders)} attempts" if len(contenders) > 1 else "The one attempt"
            told.append(
                f"{which} takes {near.costs[SIZE]:,.0f} bytes and loses {100 * lost:.1f} points on validation images."
            )
        return Ending(status=Status.INFEASIBLE, best=None, sentences=tuple(told))
    told.append(f"Chosen: {best.contender.recipe}.")
    if best.row is not None and "accuracy" in best.row.estimates:
        told.append(_proof(best.row))
    fair = [each for each in contenders if not each.recipe.trains]
    if limits.drop is None and any(not each.uniform for each in fair):
        told.append(verdict(fair))
    told += _in_vain(attempts, best, limits)
    return Ending(status=Status.OK, best=best, sentences=tuple(told))


def _contenders(
    job: Job,
    limits: Limits,
    deadline: float,
    train: bool,
    protected: frozenset[str],
    images: int,
    report: Report,
    user_code: bool,
) -> Generator[Contender, Contender | None]:
    """Yield contenders; what is sent back is the best of them so far."""
    best: Contender | None = None
    for each in quick(opened(job, limits, images=images, report=report, user_code=user_code), limits, report):
        best = (yield each) or best
    found = ground(job, limits, protected=protected, images=images, report=report, user_code=user_code)
    stream = contend(found, limits, report) if limits.drop is None else least(found, limits, report)
    for each in stream:
        best = (yield each) or best
    if best is None and (tightest := smallest(found, limits)) is not None:
        best = yield tightest
    if not train:
        return
    if best is None or limits.drop is None:
        wanted = best or _nearest(found, limits, report)
        if wanted is not None and wanted.trial.judgement.drop.value > (limits.drop or _LOSS):
            for each in _distilled(found, wanted.recipe, limits, deadline, report):
                best = (yield each) or best
        return
    while best is not None:  # the limit is what may be lost: a training may make up for a smaller file
        within = dataclasses.replace(limits, size_bytes=_SMALLER * best.costs[SIZE])
        smaller = found.plan(within)
        if smaller.status is not Status.OK:
            return
        before = best
        for each in _distilled(found, smaller.recipe, limits, deadline, report):
            best = (yield each) or best
        if best is before:
            return


def _nearest(found: Ground, limits: Limits, report: Report) -> Contender | None:
    """Return the plan that keeps to everything but the accuracy."""
    within = dataclasses.replace(limits, drop=None) if limits.size_bytes or limits.structural else None
    if within is None:
        return None
    made = [each for each in contend(found, within, report) if each.keeps]
    return min(made, key=lambda each: each.rank, default=None)


def _distilled(found: Ground, recipe: Recipe, limits: Limits, deadline: float, report: Report) -> Iterator[Contender]:
    """Yield the recipe with a distillation for which there is time, then its control without a teacher."""
    epochs = _affordable(found, deadline)
    if epochs is None:
        return
    distill = Distill(epochs=epochs)
    longer = Recipe((*recipe.steps, distill))
    yield measured(found, "distilled", longer, limits)
    control = longer.control()
    if control is not None and time.monotonic() < deadline:
        yield measured(found, f"distilled, {control[0]}", control[1], limits)


def _affordable(found: Ground, deadline: float) -> float | None:
    """Return how many epochs of training fit into a third of the time that is left; None where the least does not."""
    ctx = found.prepared.context
    count = min(_BATCH, len(ctx.train))
    model = found.trials.network(Recipe())
    inputs, labels = ctx.train.inputs(torch.arange(count)), ctx.train.labels[:count]
    F.cross_entropy(model(inputs), labels).backward()  # the first pass is slower
    start = time.perf_counter()
    F.cross_entropy(model(inputs), labels).backward()
    took = 1.5 * (time.perf_counter() - start) * len(ctx.train) / count  # and the optimiser, the teacher, the checks
    for parameter in model.parameters():
        parameter.grad = None
    left = (deadline - time.monotonic()) / 3
    epochs = min(_EPOCHS[1], 0.5 * int(left / max(took, 1e-6) / 0.5))
    return epochs if epochs >= _EPOCHS[0] else None


def _beats(new: Contender, best: Contender, limits: Limits) -> bool:
    if limits.drop is not None:  # all within the limit: the smallest is wanted
        return new.costs[SIZE] < best.costs[SIZE]
    if new.recipe.trains != best.recipe.trains:  # who was trained on labels moves away from the original's answers
        mine, other = new.trial.judgement.drop.value, best.trial.judgement.drop.value
        return mine < other if new.recipe.trains else mine <= other
    if new.recipe.trains:
        return new.trial.judgement.drop.value < best.trial.judgement.drop.value
    return new.rank < best.rank


def _proof(row: Result) -> str:
    accuracy, size = row.estimates["accuracy"], row.estimates["size_bytes"]
    change = row.estimates.get("change")
    lost = (
        ""
        if change is None
        else (f", a change of {100 * change.value:+.2f} points [{100 * change.low:+.2f}, {100 * change.high:+.2f}]")
    )
    return (
        f"On {accuracy.n:,} test images: {100 * accuracy.value:.2f} % [{100 * accuracy.low:.2f}, "
        f"{100 * accuracy.high:.2f}]{lost}, in {size.value:,.0f} bytes."
    )


def _in_vain(attempts: Sequence[Attempt], best: Attempt, limits: Limits) -> list[str]:
    told = []
    over = [each.contender for each in attempts if not each.contender.keeps]
    if over:
        told.append(f"{len(over)} of {len(attempts)} attempts did not keep to the limits when they were made for real.")
    trained = [each.contender for each in attempts if each.contender.recipe.trains]
    if trained and not best.contender.recipe.trains:
        lost = min(each.trial.judgement.drop.value for each in trained)
        told.append(
            f"A distillation was tried in vain: {100 * lost:.1f} points lost on validation images, against "
            f"{100 * best.contender.trial.judgement.drop.value:.1f} without."
        )
    control = next((each for each in trained if each.recipe.is_control), None)
    ours = next((each for each in trained if not each.recipe.is_control), None)
    if (
        control is not None
        and ours is not None
        and control.trial.judgement.drop.value <= ours.trial.judgement.drop.value
    ):
        told.append("The same training without a teacher did as well or better: the teacher did not help here.")
    return told
