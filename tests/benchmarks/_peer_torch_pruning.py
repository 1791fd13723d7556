"""Torch-Pruning: whole channels at matched MACs (Fang et al. 2023, https://arxiv.org/abs/2301.12900).

For networks without padded shortcuts; `bench_channels` has ResNet-20.
"""

from __future__ import annotations

import copy

import torch
from _peer_case import Case, Clock, Contender, Made, NotRun
from _peer_tensors import written
from torch import Tensor, nn
from torch.nn import functional as F

STEP = 0.05
"""Of the ratio that meets the goal, looked for upwards from zero: a layer that would lose all channels is spared, so
that beyond some ratio the library prunes less again."""
HALVINGS = 5


def _library():
    try:
        import torch_pruning
    except ImportError as error:
        raise NotRun(f"not installed ({error.name}): pip install torch-pruning") from None
    return torch_pruning


def _slopes(case: Case, score: str) -> list[Tensor | None]:
    """Return the gradient of the loss on the calibration images by parameter, for scores that look at it."""
    model = copy.deepcopy(case.model)
    if score == "Taylor":
        labels = case.prepared.context.calibration.labels.split(len(case.calibration[0]))
        for inputs, wanted in zip(case.calibration, labels, strict=True):
            F.cross_entropy(model(inputs), wanted).backward()
    return [parameter.grad for parameter in model.parameters()]


def _pruned(case: Case, score: str, ratio: float, slopes: list[Tensor | None]) -> nn.Module:
    library, model = _library(), copy.deepcopy(case.model)
    for parameter, slope in zip(model.parameters(), slopes, strict=True):
        parameter.grad = None if slope is None else slope.clone()  # it cuts the gradients too
    kinds = {
        "magnitude": library.importance.GroupMagnitudeImportance,
        "Taylor": library.importance.GroupTaylorImportance,
    }
    pruner = library.pruner.BasePruner(
        model,
        case.calibration[0][:2],
        kinds[score](),
        global_pruning=True,
        pruning_ratio=ratio,
        ignored_layers=[layer for layer in model.modules() if isinstance(layer, nn.Linear)][-1:],
    )
    pruner.step()
    model.zero_grad()
    return model


def _ratio(case: Case, score: str, goal: float) -> float:
    """Return the smallest ratio at which the MACs meet the goal; raises `NotRun` where none does."""
    slopes = _slopes(case, score)

    def meets(ratio: float) -> bool:
        return case.macs(_pruned(case, score, ratio, slopes)) <= goal

    tried = [number * STEP for number in range(1, round(1 / STEP))]
    high = next((ratio for ratio in tried if meets(ratio)), None)
    if high is None:
        raise NotRun(f"no ratio up to {tried[-1]:.0%} leaves at most {goal:,.0f} MACs")
    low = high - STEP
    for _ in range(HALVINGS):
        middle = (low + high) / 2
        low, high = (low, middle) if meets(middle) else (middle, high)
    return high


def _made(case: Case, score: str, share: float, norms: bool) -> Made:
    """Return the widest network whose MACs are at most this share of the original's; the search is not counted."""
    ratio = _ratio(case, score, share * case.macs(case.model))
    clock = Clock()
    model = _pruned(case, score, ratio, _slopes(case, score))
    if norms:
        _adapt_(model, case)
    file, seconds = written(model.eval()), clock.seconds
    return Made(forward=model, file=file, seconds=seconds, macs=case.macs(model))


def _adapt_(model: nn.Module, case: Case) -> None:
    """Take the statistics of batch norms anew, as means over the calibration images, in place."""
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.reset_running_stats()
            module.momentum = None
    model.train()
    with torch.no_grad():
        for batch in case.calibration:
            model(batch)


def channels(score: str, share: float, *, norms: bool = False) -> Contender:
    """Return global pruning by a score, `magnitude` or `Taylor`."""
    how = f"{score}, batch norms adapted" if norms else score
    return Contender(who="torch-pruning", how=how, make=lambda case: _made(case, score, share, norms))
