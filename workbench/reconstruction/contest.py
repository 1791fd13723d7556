"""Contests: which method is best for this network, by evidence on validation images."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from torch import Tensor, nn

from workbench.context import Context, Patience, Progress
from workbench.judging import divergences, judges, mean, scores
from workbench.recipe import Choice, Step, digest
from workbench.reconstruction import decisions

AUTO = "auto"
"""The value of a field that a contest decides."""
_JUDGES = 512
"""How many validation images judge."""
_RESAMPLED = 1000


@dataclass(frozen=True, kw_only=True)
class Entry:
    """How one rival did."""

    step: Step
    divergence: float
    """Mean divergence from the reference (see `judging`)."""
    low: float
    high: float
    """Its 95 % interval, from resampled images."""
    agreement: float
    """Share of the images on which it gives the reference's answer."""
    images: int
    seconds: float


StepT = TypeVar("StepT", bound=Step)


def chosen(step: StepT, ctx: Context) -> StepT:
    """Return the step with every field that is "auto" set: by a contest, or by rule where patience is short.

    There is one contest for each network: it is held on the original, whatever steps went before.
    """
    ctx = dataclasses.replace(ctx, reference=ctx.original, reference_key=ctx.original_key, named=None)
    open_fields = [item.name for item in step.fields() if getattr(step, item.name) == AUTO]
    if not open_fields:
        return step

    def closed(rival: Mapping[str, Any], **changes: Any) -> StepT:
        return dataclasses.replace(step, **{name: rival[name] for name in open_fields}, **changes)

    rivals = [closed(rival) for rival in step.rivals]
    at = [closed(rival, **step.bout) for rival in step.rivals]
    key = digest(["contest", [rival.to_dict() for rival in at], ctx.reference_key])
    known = decisions.recall(key, len(rivals), ctx)
    if ctx.patience < Patience.FULL and known is None:
        ctx.provisional.append(f"{step.title.lower()} by its usual method, before the contest on validation images")
        return rivals[0]

    def decide() -> int:
        ctx.report(Progress(0.0, f"{step.title.lower()}: which method is best here?"))
        entries = list(contest(at, ctx.reference, ctx))
        winner = min(range(len(entries)), key=lambda number: entries[number].divergence)
        decisions.keep(key, winner, ctx)
        return winner

    return rivals[ctx.decisions.get(key, decide)]


def variants(step: Step) -> list[Step]:
    """Return a step with each option of the fields that a contest can decide, one field changed at a time."""
    usual = dataclasses.replace(step, **step.rivals[0])
    found = [usual]
    for item in step.fields():
        if item.name in step.rivals[0] and isinstance(item.spec, Choice):
            options = [option for option in item.spec.options if option != AUTO]
            found += [dataclasses.replace(usual, **{item.name: option}) for option in options]
    return list(dict.fromkeys(found))


def contest(rivals: Iterable[Step], model: nn.Module, ctx: Context) -> Iterator[Entry]:
    """Yield how each rival does on validation images, in the order given; what a rival notes stays with it."""
    images = judges(ctx.validation, _JUDGES, "a contest of methods")

    def answered(network: nn.Module) -> Tensor:
        return scores(network, ctx.validation, images)

    wanted = ctx.cache.get(f"judges/{ctx.reference_key}", lambda: answered(ctx.reference))
    for rival in rivals:
        start = time.perf_counter()
        made = rival.apply(model, dataclasses.replace(ctx, notes=[], patience=Patience.FULL))
        seconds = time.perf_counter() - start
        got = answered(made)
        divergence, low, high = mean(divergences(got, wanted), ctx.generator("resampled judges"))
        agreement = float((got.argmax(1) == wanted.argmax(1)).float().mean())
        yield Entry(
            step=rival,
            divergence=divergence,
            low=low,
            high=high,
            agreement=agreement,
            images=len(images),
            seconds=seconds,
        )
