"""Channels leave ResNet-20 without training: accuracy at equal MACs, beside Torch-Pruning on the same images.

Only channels inside of blocks leave, since Torch-Pruning cannot follow the padded shortcuts of this network. Accuracy
is that of all test images, with its 95 % interval and the paired difference to the network as it is.
"""

from __future__ import annotations

import copy
import importlib.metadata
import importlib.util
import math
import os
import time
from collections.abc import Callable, Iterator

import torch
from _jobs import SHARED, resnet20
from torch import Tensor, nn
from torch.nn import functional as F

from workbench.compress import compress
from workbench.context import Context
from workbench.graph import graph_of
from workbench.images import View
from workbench.recipe import Recipe
from workbench.run import prepare
from workbench.techniques.batchnorm import reestimated
from workbench.techniques.channels import Channels

SAVED = (0.2, 0.3, 0.49)
OURS = {
    "reconstruction": {},
    "magnitude with refit": {"score": "magnitude"},
    "random with refit (control)": {"score": "random"},
    "magnitude": {"score": "magnitude", "refit": False},
}


@torch.no_grad()
def right(model: nn.Module, view: View) -> Tensor:
    """Return for each image whether the network knows it, float64 [N]."""
    return torch.cat([(model(x).argmax(1) == y) for _, x, y in view.batches(125)]).double()


def described(hits: Tensor, before: Tensor, saved: float, seconds: float) -> str:
    """Accuracy and paired difference in points with 95 % intervals, MACs saved, seconds to prepare."""
    n, moved = len(hits), hits - before
    mean = float(hits.mean())
    low_high = 196 * math.sqrt(mean * (1 - mean) / n)
    paired = 196 * float(moved.std()) / math.sqrt(n)
    return (
        f"{100 * mean:.2f} ± {low_high:.2f} %, {100 * float(moved.mean()):+.2f} ± {paired:.2f} "
        f"from {100 * before.mean():.2f}; "
        f"MACs -{100 * saved:.1f} %, {seconds:.1f} s of one core"
    )


def timed(work: Callable[[], nn.Module]) -> tuple[nn.Module, float]:
    start = time.process_time()
    return work(), time.process_time() - start


def torch_pruned(model: nn.Module, example: Tensor, ratio: float, gradients: list[Tensor] | None = None) -> nn.Module:
    """Return what Torch-Pruning leaves of ResNet-20 at a ratio: by magnitude, or by Taylor's score of gradients."""
    import torch_pruning as tp

    result = copy.deepcopy(model)
    if gradients is not None:
        for parameter, gradient in zip(result.parameters(), gradients, strict=True):
            parameter.grad = gradient.clone()
    inner = [f"layer{stage}.{block}.conv1" for stage in (1, 2, 3) for block in (0, 1, 2)]
    others = [m for name, m in result.named_modules() if isinstance(m, nn.Conv2d | nn.Linear) and name not in inner]
    importance = tp.importance.TaylorImportance() if gradients else tp.importance.MagnitudeImportance(p=2)
    tp.pruner.BasePruner(
        *(result, example), importance, global_pruning=True, pruning_ratio=ratio, ignored_layers=others
    ).step()
    result.zero_grad(set_to_none=True)
    return result.eval()


def torch_pruning(model: nn.Module, ctx: Context, kind: str, saved: float) -> nn.Module:
    """Return what Torch-Pruning leaves at a share of the MACs, found by halving the interval of its ratio."""
    gradients = None
    if kind == "Taylor":
        subject = copy.deepcopy(model)
        inputs = ctx.calibration.inputs(torch.arange(len(ctx.calibration)))
        for x, y in zip(inputs.split(128), ctx.calibration.labels.split(128), strict=True):
            F.cross_entropy(subject(x), y).backward()
        gradients = [parameter.grad for parameter in subject.parameters()]

    def pruned(ratio: float) -> nn.Module:
        return torch_pruned(model, ctx.example, ratio, gradients)

    low, high = 0.0, 1.0
    for _ in range(8):
        middle = (low + high) / 2
        low, high = (middle, high) if less(pruned(middle), model, ctx) < saved else (low, middle)
    return min((pruned(low), pruned(high)), key=lambda found: abs(less(found, model, ctx) - saved))


def less(model: nn.Module, before: nn.Module, ctx: Context) -> float:
    """Return the share of the MACs that a network saves."""
    now, then = (graph_of(network, ctx.example[:1]).macs.total() for network in (model, before))
    return 1 - now / then


def contest(model: nn.Module, ctx: Context, judges: View) -> Iterator[tuple[str, str]]:
    """Yield every method at every share of the MACs, judged on these images."""
    before = right(model, judges)

    def row(name: str, saved: float, made: nn.Module, seconds: float) -> tuple[str, str]:
        what = f"ResNet-20, {100 * saved:.0f} % fewer MACs: {name}"
        return what, described(right(made, judges), before, less(made, model, ctx), seconds)

    every = torch.arange(len(ctx.calibration))
    for saved in SAVED:
        for name, settings in OURS.items():
            step = Channels(ratio=saved, by="macs", **settings)
            made, seconds = timed(lambda step=step: compress(model, Recipe((step,)), ctx))
            yield row(name, saved, made, seconds)
            if not step.refit:
                again, more = timed(lambda made=made: reestimated(made, every, ctx))
                yield row(f"{name}, batch norm re-estimated", saved, again, seconds + more)
    if importlib.util.find_spec("torch_pruning") is None:
        yield "Torch-Pruning", "not measured: it is not installed (pip install torch-pruning)"
        return
    version = importlib.metadata.version("torch_pruning")
    for saved in SAVED:
        for kind in ("magnitude", "Taylor"):
            made, seconds = timed(lambda kind=kind, saved=saved: torch_pruning(model, ctx, kind, saved))
            yield row(f"Torch-Pruning {version}, {kind}", saved, made, seconds)
            again, more = timed(lambda made=made: reestimated(made, every, ctx))
            yield row(f"Torch-Pruning {version}, {kind}, batch norm re-estimated", saved, again, seconds + more)


def measure() -> Iterator[tuple[str, str]]:
    if not SHARED.is_dir():
        if os.environ.get("CI"):
            raise FileNotFoundError(SHARED)
        yield "channels of ResNet-20", f"not measured: there are no data in {SHARED}"
        return
    prepared = prepare(resnet20())
    yield from contest(prepared.model, prepared.context, prepared.test)
