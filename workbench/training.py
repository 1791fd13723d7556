"""The training loop, once: `workbench train`, fine-tuning and distillation call it with their own loss.

A layer with a `WeightFormat` is trained in that format: each batch sees the projected weights, and their gradients go
straight through to the free weights behind them (straight-through estimator, Bengio et al. 2013,
https://arxiv.org/abs/1308.3432). So pruned weights stay zero and quantized ones stay on their grid.

Which state is kept is decided on the validation images: the best one seen, the starting point included.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from workbench.context import Context, Progress, lent_generator
from workbench.errors import Refused
from workbench.images import View
from workbench.network import FREE, Layer, clone, layers, set_format_, settle_, weight_format

Loss = Callable[[Tensor, Tensor, Tensor], Tensor]
"""From logits [B, K], labels [B] and image indices [B] to a scalar."""


@dataclass(frozen=True, kw_only=True)
class Schedule:
    """How long and how fast: SGD with Nesterov momentum, its rate warmed up once and then annealed by a cosine.

    The momentum runs against the rate, between 0.85 and 0.95 (one cycle, https://arxiv.org/abs/1708.07120).
    """

    epochs: float
    lr: float
    batch: int = 64
    weight_decay: float = 5e-4
    checks: int = 20
    """At most so many looks at the validation images."""


def cross_entropy(logits: Tensor, labels: Tensor, _: Tensor) -> Tensor:
    """The plain loss on labels."""
    return F.cross_entropy(logits, labels)


def fit(
    model: nn.Module,
    ctx: Context,
    schedule: Schedule,
    loss: Loss = cross_entropy,
    *,
    title: str,
    keep_best: bool = True,
    augment: Callable[[Tensor, torch.Generator], Tensor] | None = None,
) -> nn.Module:
    """Return a trained copy of the model. The curves `loss` and `validation accuracy` go to `ctx.report`.

    The order of the images and the dropout depend on the seed and on `title`, which a step shares with its control arm.

    Raises `Refused` when the loss stops being a number, or where there is nothing that can be trained; the report
    raises `Cancelled` to stop between two batches.
    """
    student = clone(model).train()
    held = {f"{name}.weight": layer for name, layer in layers(student).items() if weight_format(layer) is not FREE}
    parameters = [p for p in student.parameters() if p.requires_grad]
    if not parameters or not len(ctx.train):
        what = "training images" if parameters else "parameters that require a gradient"
        raise Refused(f"{title}: there are no {what}, expected at least one")
    batch = min(schedule.batch, len(ctx.train))
    steps = max(1, round(schedule.epochs * len(ctx.train) / batch))
    optimizer = torch.optim.SGD(
        parameters, lr=schedule.lr, momentum=0.9, nesterov=True, weight_decay=schedule.weight_decay
    )
    # two steps at least: torch divides by the length of the warm-up less one
    warm = max(min(0.2, 1 / max(schedule.epochs, 1)), 2 / (steps + 1))
    anneal = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, schedule.lr, total_steps=steps + 1, pct_start=warm, div_factor=5
    )
    generator, noise = ctx.generator("fit", title), ctx.generator("dropout", title)
    every = math.ceil(steps / schedule.checks)
    best: tuple[float, nn.Module] | None = None
    if keep_best:
        start = clone(student).eval()
        best = (_accuracy(start, ctx, Progress(0.0, f"{title}: before the first step")), start)
    order = torch.empty(0, dtype=torch.long)
    began = time.monotonic()
    for step in range(steps):
        if len(order) < batch:
            order = torch.randperm(len(ctx.train), generator=generator)
        indices, order = order[:batch], order[batch:]
        inputs = ctx.train.inputs(indices)
        if augment is not None:
            inputs = augment(inputs, generator)
        with lent_generator(int(torch.randint(1 << 62, (), generator=noise))):  # dropout draws from it
            scores = _forward(student, held, inputs)
        if not isinstance(scores, Tensor):
            raise Refused(
                f"{title}: in training mode this network returns a {type(scores).__name__}, expected one tensor of "
                "scores: switch its auxiliary outputs off"
            )
        value = loss(scores, ctx.train.labels[indices], indices)
        if not torch.isfinite(value):
            raise Refused(f"{title}: the loss became {value.item()} in step {step + 1}; a lower learning rate helps")
        optimizer.zero_grad(set_to_none=True)
        value.backward()
        nn.utils.clip_grad_norm_(parameters, 5.0)
        optimizer.step()
        anneal.step()
        epoch = (step + 1) * batch / len(ctx.train)
        curves = {"loss": (epoch, value.item())}
        if keep_best and ((step + 1) % every == 0 or step + 1 == steps):
            candidate = _settled(student)
            reached = _accuracy(
                candidate, ctx, Progress(step / steps, f"{title}: step {step + 1} of {steps}, checking")
            )
            curves["validation accuracy"] = (epoch, reached)
            if best is None or reached >= best[0]:  # a tie goes to the longer training
                best = (reached, candidate)
        left = (time.monotonic() - began) / (step + 1) * (steps - step - 1)
        ctx.report(Progress((step + 1) / steps, f"{title}: step {step + 1} of {steps}, {left:.0f} s left", curves))
    return best[1] if best is not None else _settled(student)


def _settled(student: nn.Module) -> nn.Module:
    result = clone(student).eval()
    for layer in layers(result).values():
        if weight_format(layer) is not FREE:
            settle_(layer)
    for parameter in result.parameters():
        parameter.grad = None
    return result


def _forward(model: nn.Module, held: dict[str, Layer], inputs: Tensor) -> Any:
    """Return the scores with the weights of the layers `held`, by the name of their weight, in their formats."""
    if not held:
        return model(inputs)
    own = dict(model.named_parameters(remove_duplicate=False))
    weights: dict[str, Tensor] = {}
    for name, layer in held.items():
        free = own[name].detach()
        form = weight_format(layer).fitted(free)
        set_format_(layer, form)  # a codebook goes on from where the last batch left it
        weights[name] = own[name] + (form.snapped(free) - free)
        if form.mask is not None:  # straight through the grid, but not through the mask
            weights[name] = weights[name] * form.mask
    return torch.func.functional_call(model, weights, (inputs,))


@torch.no_grad()
def _accuracy(model: nn.Module, ctx: Context, progress: Progress) -> float:
    model.eval()
    hits = 0
    for _, inputs, labels in ctx.validation.batches(250):
        hits += int((model(inputs).argmax(1) == labels).sum())
        ctx.report(progress)  # a chance to stop: on a large network this takes longer than a batch of training
    return hits / max(1, len(ctx.validation))


@torch.no_grad()
def logits(model: nn.Module, view: View, ctx: Context, title: str) -> Tensor:
    """Return the logits [N, K] of a model that is in evaluation mode, on all images of a view."""
    parts = []
    for indices, inputs, _ in view.batches(250):
        parts.append(model(inputs))
        ctx.report(Progress(min(1.0, (int(indices[-1]) + 1) / len(view)), title))
    return torch.cat(parts)
