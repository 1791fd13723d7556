"""The budget: the best recipe within what a person can afford, with proof by measurement.

1. Each layer is measured alone, at a few settings of each technique (`options`, `table`).
2. A plan for all layers is solved exactly over these (`plan`), on the networks that global steps leave (`bases`).
3. The plan is made for real, packed and measured on validation images; where its file missed the limit, the forecast
   is corrected by how much it missed and solved again.
4. So are the best uniform settings of the same cost (`uniform`). The control wins as often as it does, and the answer
   says so.

Everything is chosen on validation images. Test images are for whoever measures the answer afterwards.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterator, Sequence

from workbench.context import Progress, Report, ignore
from workbench.devices.shelf import device as device_called
from workbench.errors import Refused
from workbench.export.packed import pack
from workbench.network import layers
from workbench.recipe import Recipe
from workbench.result import Job, Status
from workbench.run import prepare
from workbench.search.bases import bases, extras
from workbench.search.contender import REPAIRS, Contender, Ground, allowed, best_of, fitted, measured
from workbench.search.limits import SIZE, Limits
from workbench.search.options import STRUCTURAL, USUAL, Dial, dials
from workbench.search.plan import Plan, plan
from workbench.search.sensitivity import sensitivity
from workbench.search.table import tabulate
from workbench.search.trial import Trials
from workbench.search.uniform import uniform

_HALVINGS = 7


def ground(
    job: Job,
    limits: Limits,
    *,
    protected: frozenset[str] = frozenset(),
    images: int = 1000,
    report: Report = ignore,
    user_code: bool = True,
) -> Ground:
    """Prepare what plans for such limits stand on: minutes for a network of some size, and kept. Raises `Refused`."""
    found = opened(job, limits, images=images, report=report, user_code=user_code)
    prepared, trials, names = found.prepared, found.trials, tuple(layers(found.prepared.model))
    if unknown := sorted(protected - set(names)):
        raise Refused(f"no layer to protect is called {unknown[0]!r}; layers are {', '.join(names)}")
    turned = _dials(limits)
    measuring = sensitivity(
        prepared,
        techniques=[dial.name for dial in turned],
        values={dial.name: dial.telling for dial in turned},
        report=report,
    )
    losses = tuple(each for each in measuring if not each.rough)
    tables = tuple(
        tabulate(
            prepared,
            losses,
            turned,
            base=base.steps,
            base_loss=base.loss,
            extras=extras(trials),
            protected=protected,
            work=limits.structural,
            device=found.device,
            report=report,
        )
        for base in bases(prepared, trials, limits, found.device, report)
    )
    return dataclasses.replace(found, losses=losses, tables=tables)


def opened(job: Job, limits: Limits, *, images: int = 1000, report: Report = ignore, user_code: bool = True) -> Ground:
    """Return the ground with nothing on it yet: no plan, but recipes can be measured. Raises `Refused`."""
    if limits.device:
        device_called(limits.device)
    prepared = prepare(job, report=report, user_code=user_code)
    trials = Trials(prepared, images=images, report=report)
    return Ground(job=job, prepared=prepared, trials=trials, losses=(), tables=(), limits=limits)


def contend(found: Ground, limits: Limits, report: Report = ignore) -> Iterator[Contender]:
    """Yield what was made for real and measured: repairs of the plan, then the best uniform settings."""
    yield from _planned(found, limits, report)
    yield from uniform(found, limits, report)


def along(found: Ground, plans: Sequence[Plan], report: Report = ignore) -> Iterator[tuple[int, Contender]]:
    """Yield the number of each plan with what it is when it is made for real, from the middle of the plans outwards.

    Whoever drags along them later finds them solved.
    """
    order = sorted(range(len(plans)), key=lambda number: abs(number - len(plans) // 2))
    for done, number in enumerate(order):
        report(Progress(done / len(order), f"making plan {done + 1} of {len(order)} for real"))
        yield number, measured(found, "plan", plans[number].recipe, plans[number].limits)


def smallest(found: Ground, limits: Limits) -> Contender | None:
    """Return the smallest file that is within reach, made for real: what there is instead of what cannot be."""
    low = plan(found.tables, dataclasses.replace(limits, size_bytes=1.0, drop=None), found.device).smallest.get(SIZE)
    if low is None:
        return None
    tightest = found.plan(dataclasses.replace(limits, size_bytes=math.ceil(low), drop=None))
    return measured(found, "smallest", tightest.recipe, limits) if tightest.status is Status.OK else None


def verdict(contenders: Sequence[Contender]) -> str:
    """Return in a sentence whether the plan beat the best uniform setting, on validation images."""
    ours = best_of([each for each in contenders if not each.uniform])
    control = best_of([each for each in contenders if each.uniform])
    if ours is None and control is None:
        return "Nothing kept to the limits when it was made for real."
    if ours is None:
        return "Uniform won: no plan for single layers kept to the limits when it was made for real."
    if control is None:
        return "No uniform setting keeps to these limits; the plan does."
    mine, other = (each.trial.judgement.divergence for each in (ours, control))
    if ours.recipe == control.recipe:
        return (
            f"The plan is the best uniform setting: no choice for single layers changes less ({mine.value:.3g} nats)."
        )
    if mine.value == other.value:
        return f"The plan and the best uniform setting of its cost change the answers equally ({mine.value:.3g} nats)."
    if mine.value > other.value:
        return (
            f"Uniform won: the same settings in all layers change the answers less ({other.value:.3g} nats against "
            f"{mine.value:.3g}), so they are what is proposed."
        )
    apart = "" if mine.high < other.low else ", though the intervals overlap"
    return (
        f"The plan beats the best uniform setting of the same cost: {mine.value:.3g} nats from the original's answers "
        f"against {other.value:.3g}{apart}."
    )


def least(found: Ground, limits: Limits, report: Report = ignore) -> Iterator[Contender]:
    """Yield contenders for ever smaller files that lose no more accuracy than `limits.drop`; the last that does is it.

    By bisection over sizes: what is lost is measured for each, on validation images.
    """
    if limits.drop is None:
        raise Refused("say how much accuracy may be lost")
    low, high = _sizes(found)
    high = min(high, limits.size_bytes or high)
    report(Progress(0.0, "looking for the smallest file"))
    for number in range(_HALVINGS):
        size = high if number == 0 else math.sqrt(low * high)
        within = dataclasses.replace(limits, size_bytes=math.ceil(size))
        contenders = [allowed(each, limits) for each in _planned(found, within, report, repairs=0)]
        yield from contenders
        good = [each for each in contenders if each.keeps]
        if number == 0 and not good:
            return  # not even the largest file that is allowed keeps what is wanted
        if good:
            high = min(size, min(each.costs[SIZE] for each in good))
        else:
            low = size
        if high < low * 1.03:
            return


def _sizes(found: Ground) -> tuple[float, float]:
    """Return about the smallest file that can be reached, and that of the original."""
    smallest = plan(found.tables, dataclasses.replace(found.limits, size_bytes=1.0, drop=None), found.device)
    low = max(1.0, smallest.smallest.get(SIZE, 1.0))
    return low, max(low, float(len(pack(found.prepared.model, found.prepared.about).data)))


def _dials(limits: Limits) -> tuple[Dial, ...]:
    return dials((*STRUCTURAL, *USUAL) if limits.macs is not None or limits.latency_ms is not None else USUAL)


def _planned(found: Ground, limits: Limits, report: Report, repairs: int = REPAIRS) -> Iterator[Contender]:
    def chosen(within: Limits) -> Recipe | None:
        plan = found.plan(within)
        return plan.recipe if plan.status is Status.OK else None

    for number, made in enumerate(fitted(found, "plan", chosen, limits, repairs)):
        yield made
        report(Progress((number + 1) / (repairs + 1), "making the plan for real"))
