"""Batch-norm re-estimation: statistics that fit the compressed network instead of the original."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, final

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from workbench.context import Context, Progress, fingerprint
from workbench.network import clone
from workbench.recipe import Range, Step, Switch
from workbench.registry import techniques


@techniques.register
@final
@dataclass(frozen=True, kw_only=True)
class BatchNorm(Step):
    """Measure mean and variance of each batch norm anew on calibration images, and keep them only where that helps.

    Whether it helps is judged by agreement with the original network: estimated on one half of the calibration images,
    compared on the other. On an intact network it usually does not help, because a few hundred images know less than
    the whole training set did.
    """

    name = "batchnorm"
    title = "Re-estimate batch norm"
    summary = "Passes calibration images through the compressed network and takes its batch-norm statistics from them."
    paper = "Sun et al. 2019, https://arxiv.org/abs/1911.09723; Li et al. 2020, https://arxiv.org/abs/2007.02491"
    hurts_when = "The network is hardly damaged: a few hundred images estimate worse than training did."
    order = 40
    approximates = True

    images: Annotated[int, Range(32, 512, 32, "calibration images")] = 256
    keep_better: Annotated[bool, Switch("keep the new statistics only where agreement with the original rises")] = True

    def apply(self, model: nn.Module, ctx: Context) -> nn.Module:
        same = clone(model).eval()
        norms = [m for m in same.modules() if isinstance(m, _BatchNorm) and m.track_running_stats]
        if not norms:
            ctx.note("batch norm: this network has none, nothing to re-estimate")
            return same
        chosen = torch.arange(min(self.images, len(ctx.calibration)))
        if not self.keep_better:
            return reestimated(same, chosen, ctx)
        fit, judge = chosen[::2], chosen[1::2]
        wanted = _answers(ctx.original, judge, ctx, cached=True)
        before = _agreement(_answers(same, judge, ctx), wanted)
        after = _agreement(_answers(reestimated(same, fit, ctx), judge, ctx), wanted)
        kept = "re-estimated" if after > before else "kept as it was"
        ctx.note(f"batch norm {kept}: agreement with the original on {len(judge)} images {before:.1%} → {after:.1%}")
        return reestimated(same, chosen, ctx) if after > before else same


@torch.no_grad()
def reestimated(model: nn.Module, indices: Tensor, ctx: Context) -> nn.Module:
    """Return a copy whose batch norms hold the statistics of the calibration images `indices`.

    The statistics of all batches count equally (a cumulative average), whatever the momentum of the network.
    """
    result = clone(model).eval()
    momenta = {}
    for module in result.modules():
        if isinstance(module, _BatchNorm) and module.track_running_stats:
            momenta[module] = module.momentum
            module.reset_running_stats()
            module.train()
            module.momentum = None  # torch then averages over all batches
    parts = indices.split(128)
    if len(parts) > 1 and len(parts[-1]) < 2:
        parts = parts[:-1]  # one image alone has no variance
    for number, part in enumerate(parts):
        result(ctx.calibration.inputs(part))
        ctx.report(Progress((number + 1) / len(parts), "re-estimating batch norm"))
    for module, momentum in momenta.items():
        module.momentum = momentum
    return result.eval()


def _answers(model: nn.Module, indices: Tensor, ctx: Context, *, cached: bool = False) -> Tensor:
    if cached:
        key = f"answers/{fingerprint(model)}/{len(indices)}"
        return ctx.cache.get(key, lambda: _answers(model, indices, ctx))
    with torch.no_grad():
        return torch.cat([model(ctx.calibration.inputs(part)).argmax(1) for part in indices.split(128)])


def _agreement(answers: Tensor, wanted: Tensor) -> float:
    return float((answers == wanted).float().mean())
