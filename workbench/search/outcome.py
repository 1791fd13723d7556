"""What a search has found, and whether it did better than its control arm: all of it from the rows alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from workbench.result import Estimate
from workbench.search.candidate import Arm, Candidate
from workbench.search.front import front, hypervolume
from workbench.search.nas_plan import Plan

_DRAWS = 2000


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """See the module. The interval of `ahead` is about validation images, not about other seeds of the search."""

    front: tuple[Candidate, ...]
    """What no candidate of either arm beats in objective and validation accuracy, the cheapest first."""
    covered: Mapping[Arm, float]
    """Of each arm, the mean over budgets of the best accuracy within the budget (`front.hypervolume`)."""
    ahead: Estimate | None
    """By how much the search covers more than its control; None where there is nothing to compare."""
    best: Mapping[Arm, Candidate]
    """Of each arm the most accurate network within the limits; the first of equal ones by cross-entropy."""
    sentence: str
    """What a person should know of it."""


def outcome(plan: Plan, candidates: Sequence[Candidate]) -> Outcome:
    """Return what the candidates of a plan come to, also of a search that was stopped early."""
    judged = [candidate for candidate in candidates if candidate.judged]
    arms = {arm: [c for c in judged if c.arm == arm] for arm in dict.fromkeys(c.arm for c in judged)}
    if not judged:
        return Outcome(front=(), covered={}, ahead=None, best={}, sentence=nothing(plan, candidates))

    def cost(candidate: Candidate) -> float:
        return candidate.estimates[plan.objective].value

    ends = min(map(cost, judged)), dict(plan.limits).get(plan.objective, max(map(cost, judged)))

    def covered(arm: Arm, draws: Tensor) -> Tensor:
        """Return the hypervolume [B] on images drawn [B, N] times each."""
        right = torch.tensor([c.right for c in arms[arm]], dtype=torch.float64)
        costs = torch.tensor([cost(c) for c in arms[arm]], dtype=torch.float64)
        return hypervolume(costs, draws @ right.T / right.shape[1], *ends)

    once = torch.ones(1, len(judged[0].right), dtype=torch.float64)
    found = {arm: float(covered(arm, once)) for arm in arms}
    ahead = None
    if len(arms) == 2:
        draws = _drawn(len(judged[0].right), plan.seed)
        between = covered("search", draws) - covered("control", draws)
        low, high = (float(end) for end in between.quantile(torch.tensor([0.025, 0.975], dtype=torch.float64)))
        value = found["search"] - found["control"]
        ahead = Estimate(
            value=value, low=min(low, value), high=max(high, value), how="measured", unit="fraction", n=once.shape[1]
        )
    best = {
        arm: min(rows, key=lambda c: (-_accuracy(c), c.estimates["cross_entropy"].value)) for arm, rows in arms.items()
    }
    points = front(sorted(judged, key=lambda c: c.estimates["cross_entropy"].value), lambda c: (cost(c), _accuracy(c)))
    return Outcome(front=points, covered=found, ahead=ahead, best=best, sentence=_compared(ahead, judged))


def nothing(plan: Plan, candidates: Sequence[Candidate]) -> str:
    """Return why no network was judged, with the least that was seen of each limit."""
    if not candidates:
        return "Nothing was tried yet."
    parts, alone = [], True
    for name, most in plan.limits:
        seen = min((c.estimates[name].value for c in candidates if name in c.estimates), default=None)
        if seen is None:
            alone = False
            continue
        alone = alone and seen <= most
        parts.append(f"{name} at most {most:,.6g}, the least seen is {seen:,.6g}")
    if plan.profile is not None:
        example = min(candidates, key=lambda c: c.excess)
        parts.append(f"on {plan.profile.title}, where the nearest one fails: {example.message}")
    which = "The limits contradict each other: each can be kept, but none" if alone and len(parts) > 1 else "None"
    return f"{which} of {len(candidates)} networks of {plan.space} keeps what was asked ({'; '.join(parts)})."


def _compared(ahead: Estimate | None, judged: Sequence[Candidate]) -> str:
    if ahead is None:
        count = "1 network" if len(judged) == 1 else f"{len(judged)} networks"
        return f"There is nothing to compare with: {count} within the limits, of one arm alone."
    gap = f"{100 * ahead.value:+.1f} points, 95 % {100 * ahead.low:+.1f} to {100 * ahead.high:+.1f}".replace("-", "−")
    if ahead.low > 0:
        verdict = "The search beats random search"
    elif ahead.high < 0:
        verdict = "Random search did better"
    else:
        verdict = "Random search is as good, as far as these images can tell"
    return f"{verdict}: {gap} in the mean accuracy over budgets, on {ahead.n} validation images."


def _accuracy(candidate: Candidate) -> float:
    return candidate.estimates["accuracy"].value


def _drawn(images: int, seed: int) -> Tensor:
    """Return how often each image is drawn in each draw of the bootstrap [B, N]."""
    generator = torch.Generator().manual_seed(seed)
    indices = torch.randint(images, (_DRAWS, images), generator=generator)
    return torch.zeros(_DRAWS, images, dtype=torch.float64).scatter_add_(
        1, indices, torch.ones(1, 1, dtype=torch.float64).expand(_DRAWS, images)
    )
