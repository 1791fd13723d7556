"""What should stop somebody: each alarm is a line that is stated, and is crossed with 95 % certainty.

The worse end of the interval must be beyond the line, not only the number itself. Where there is no alarm, `detectable`
says what there would have been one for, on this many images: no alarm is not no harm.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from workbench.forgetting.calibration import Calibrations, interval_of_mean
from workbench.forgetting.flips import Flips
from workbench.forgetting.parts import Part, changed
from workbench.measure._answers import Answers
from workbench.measure._intervals import paired, quantile, wilson
from workbench.result import Estimate

FALLS_BEYOND = 0.01
"""A class or a group falls by more than this share further than all other images."""
OVERCONFIDENT = 0.01
"""The network is too sure by more than this share, and by that much more than before."""
SILENT = 0.02
"""Answers of more than this share of the images changed beyond what the change of the accuracy needs."""
TIMES = 2
"""And all changed answers are more than so many times that change."""
POWER = 0.8


@dataclass(frozen=True, kw_only=True)
class Alarm:
    """One line that is crossed."""

    kind: str
    """`class`, `group`, `overconfident`, `silent`, `never` or `broken`."""
    sentence: str
    """What happened, with its interval, in plain words."""
    line: str
    """Which line was crossed."""


def parts_that_fall(found: Sequence[Part], kind: str) -> tuple[Alarm, ...]:
    """Return an alarm for each class or group that falls much further than all other images."""
    line = f"surely more than {_points(FALLS_BEYOND)} further than all other images"
    return tuple(
        Alarm(
            kind=kind,
            sentence=f"{_subject(part)} falls from {_percent(part.before.value)} to {_percent(part.after.value)} "
            f"right: {_signed(part.change.value)} points, while all other images change by "
            f"{_signed(part.change.value - part.beyond.value)}. The difference is {_range(part.beyond)} points.",
            line=line,
        )
        for part in found
        if part.beyond is not None and part.falls(FALLS_BEYOND)
    )


def _subject(part: Part) -> str:
    return f"Class {part.name}" if part.kind == "class" else f"Accuracy on {part.name}"


def overconfident(found: Calibrations) -> tuple[Alarm, ...]:
    """Return an alarm where the network has become too sure of itself."""
    now, mean = found.after.over, found.after.confidence.value
    if not (now.low > OVERCONFIDENT and found.over.low > OVERCONFIDENT):
        return ()
    return (
        Alarm(
            kind="overconfident",
            sentence=f"The network has become too sure of itself: it is {_percent(mean)} sure in the "
            f"mean and right on {_percent(mean - now.value)}. The gap is {_range(now)} points, and "
            f"has grown by {_range(found.over)} points.",
            line=f"surely more than {_points(OVERCONFIDENT)} too sure, and surely so much more than before",
        ),
    )


@dataclass(frozen=True, kw_only=True)
class Churn:
    """Answers that changed without the accuracy telling, as shares of all images; see `churn`.

    Churn is what the field calls it that two networks answer differently, however alike their accuracy is (Milani Fard
    et al. 2016, "Launch and Iterate: Reducing Prediction Churn").
    """

    share: Estimate
    """Changed answers beyond the change of the accuracy."""
    beyond: Estimate
    """Changed answers less `TIMES` the change of the accuracy."""


def churn(left: Answers, right: Answers, generator: torch.Generator) -> Churn:
    """Return how many answers changed beyond what the change of the accuracy needs.

    That change is a loss or a gain; each number here is the smaller of the two that follow, so that whichever it is in
    truth, the interval is not too high.
    """
    answers = left.answer != right.answer
    net = left.right.double() - right.right.double()  # 1 where it was lost, -1 where it was gained
    values = torch.where(answers, 1.0, 0.0).double()
    return Churn(share=_smaller(values, net, generator), beyond=_smaller(values, TIMES * net, generator))


def _smaller(values: Tensor, net: Tensor, generator: torch.Generator) -> Estimate:
    ends = [interval_of_mean(values + sign * net, generator) for sign in (1, -1)]
    return min(ends, key=lambda estimate: estimate.low)


def silent(found: Flips, excess: Churn, change: Estimate) -> tuple[Alarm, ...]:
    """Return an alarm where far more answers changed than the accuracy tells."""
    if not (excess.share.low > SILENT and excess.beyond.low > 0):
        return ()
    return (
        Alarm(
            kind="silent",
            sentence=f"Silent change: the accuracy changes by {_signed(change.value)} points, but "
            f"{_percent(found.changed.value)} of the images get another answer ({_percent(found.changed.low)} to "
            f"{_percent(found.changed.high)}). Who looks at the accuracy alone does not see "
            f"{_percent(excess.share.value)} of the images change.",
            line=f"surely more than {_percent(SILENT, 0)} of the images beyond the change of the accuracy, and surely "
            f"more than {TIMES} times that change",
        ),
    )


def never_said(left: Answers, right: Answers, names: Sequence[str]) -> tuple[Alarm, ...]:
    """Return an alarm for each class that was answered before and is never answered any more.

    A class that no image is of is left out: not to answer it is right.
    """
    n, number = len(left.labels), len(names)
    before, after = (torch.bincount(side.answer, minlength=number).tolist() for side in (left, right))
    asked = torch.bincount(left.labels, minlength=number).tolist()
    z = quantile(sum(1 for count in before if count))
    return tuple(
        Alarm(
            kind="never",
            sentence=f"Class {name} is never answered any more: before it was the answer to {was:,} of {n:,} images, "
            f"and {there:,} are of that class.",
            line="surely rarer than before, and never seen",
        )
        for name, was, now, there in zip(names, before, after, asked, strict=True)
        if there and was and not now and paired(0.0, was / n, n, z)[1] < 0
    )


def broken(right: Answers) -> tuple[Alarm, ...]:
    """Return an alarm where scores are not numbers."""
    count = int(right.broken.sum())
    told = f"The network is broken on {count:,} of {len(right.broken):,} images: its scores are not numbers there."
    return (Alarm(kind="broken", sentence=told, line="any image"),) if count else ()


def detectable(
    classes: Sequence[Part], groups: Sequence[Part], calibration: Calibrations, excess: Churn
) -> tuple[str, ...]:
    """Return in sentences what there would have been an alarm for, on this many images."""
    found = []
    for kind, several in (("class", classes), ("group", groups)):
        if len(several) < 2:
            continue
        part = min(several, key=lambda part: part.images)
        needed = _needed(part, several)
        name = f"The smallest {kind}, {part.name} with {part.images:,} images"
        if needed is None:
            found.append(f"{name}: no loss at all would have raised an alarm, there are too few images.")
            continue
        true = _found_in_most(needed, part.images)
        found.append(
            f"{name}: an alarm comes from {needed:,} lost images on ({_percent(needed / part.images)}); a true loss of "
            f"{_percent(true)} would be found in {10 * POWER:.0f} of 10 such measurements."
        )
    more, now = (OVERCONFIDENT + each.value - each.low for each in (calibration.over, calibration.after.over))
    found.append(f"Being too sure: from about {_points(more)} more than before and {_points(now)} in all on.")
    n = excess.share.n or 1
    seen = next((k / n for k in range(n + 1) if wilson(k, n)[0] > SILENT), 1.0)
    shown = max(seen, SILENT + excess.share.value - excess.share.low)
    found.append(f"Silent change: from about {_percent(shown)} of the images beyond the change of the accuracy on.")
    return tuple(found)


def _needed(part: Part, several: Sequence[Part]) -> int | None:
    """Return from how many lost images on a part would raise an alarm, all others as they are; None where never."""
    z = quantile(len(several))
    assert part.beyond is not None  # noqa: S101  # there are others
    rest = part.change.value - part.beyond.value
    up = math.sqrt(max(0.0, (part.beyond.high - part.beyond.value) ** 2 - (part.change.high - part.change.value) ** 2))
    for lost in range(1, part.images + 1):
        change = changed(lost, 0, part.images, z)
        beyond = change.value - rest + math.hypot(change.high - change.value, up)
        if replace(part, change=change, beyond=replace(part.beyond, high=beyond)).falls(FALLS_BEYOND):
            return lost
    return None


def _found_in_most(needed: int, n: int) -> float:
    """Return the true share of lost images of which at least `needed` of n are lost in `POWER` of all samples."""
    low, high = needed / n, 1.0
    for _ in range(40):
        middle = (low + high) / 2
        low, high = (low, middle) if _at_least(needed, n, middle) >= POWER else (middle, high)
    return high


def _at_least(k: int, n: int, p: float) -> float:
    """Return the probability of k or more hits of n."""
    if p >= 1:
        return 1.0
    logs = (
        math.lgamma(n + 1) - math.lgamma(i + 1) - math.lgamma(n - i + 1) + i * math.log(p) + (n - i) * math.log1p(-p)
        for i in range(k)
    )
    return 1 - sum(map(math.exp, logs))


def _percent(share: float, digits: int = 1) -> str:
    return f"{100 * share:.{digits}f} %"


def _points(share: float) -> str:
    number = f"{100 * share:.3g}"
    return f"{number} point{'' if number == '1' else 's'}"


def _signed(share: float) -> str:
    return f"{100 * share:+.1f}".replace("-", "−")


def _range(estimate: Estimate) -> str:
    return f"{_signed(estimate.value)} [{_signed(estimate.low)}, {_signed(estimate.high)}]"
