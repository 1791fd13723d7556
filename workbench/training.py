"""The training loop, once: `workbench train`, fine-tuning and distillation call it with their own loss.

A layer with a `WeightFormat` is trained in that format: each batch sees the projected weights, and their gradients go
straight through to the free weights behind them (straight-through estimator, Bengio et al. 2013,
https://arxiv.org/abs/1308.3432). So pruned weights stay zero and quantized ones stay on their grid.

Which state is kept is decided on the validation images: the best one seen, the starting point included.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from workbench.context import Context, Progress
from workbench.errors import Refused
from workbench.images import View
from workbench.network import FREE, WeightFormat, clone, layers, settle_, weight_format

Loss = Callable[[Tensor, Tensor, Tensor], Tensor]
"""From logits [B, K], labels [B] and image indices [B] to a scalar."""


@dataclass(frozen=True, kw_only=True)
class Schedule:
    """How long and how fast: SGD with Nesterov momentum 0.9, learning rate warmed up and then annealed by a cosine."""

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

    Raises `Refused` when the loss stops being a number; the report raises `Cancelled` to stop between two batches.
    """
    student = clone(model).train()
    formats = {
        f"{name}.weight": weight_format(layer)
        for name, layer in layers(student).items()
        if weight_format(layer) is not FREE
    }
    parameters = [p for p in student.parameters() if p.requires_grad]
    steps = max(1, round(schedule.epochs * len(ctx.train) / schedule.batch))
    optimizer = torch.optim.SGD(
        parameters, lr=schedule.lr, momentum=0.9, nesterov=True, weight_decay=schedule.weight_decay
    )
    anneal = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, schedule.lr, total_steps=steps + 1, pct_start=min(0.2, 1 / max(schedule.epochs, 1)), div_factor=5
    )
    generator = ctx.generator("fit", title)
    every = max(1, steps // schedule.checks)
    best: tuple[float, nn.Module] | None = None
    if keep_best:
        start = clone(student).eval()
        best = (_accuracy(start, ctx), start)
    order = torch.empty(0, dtype=torch.long)
    began = time.monotonic()
    for step in range(steps):
        if len(order) < min(schedule.batch, len(ctx.train)):
            order = torch.randperm(len(ctx.train), generator=generator)
        indices, order = order[: schedule.batch], order[schedule.batch :]
        inputs = ctx.train.inputs(indices)
        if augment is not None:
            inputs = augment(inputs, generator)
        value = loss(_forward(student, formats, inputs), ctx.train.labels[indices], indices)
        if not torch.isfinite(value):
            raise Refused(f"{title}: the loss became {value.item()} in step {step + 1}; a lower learning rate helps")
        optimizer.zero_grad(set_to_none=True)
        value.backward()
        nn.utils.clip_grad_norm_(parameters, 5.0)
        optimizer.step()
        anneal.step()
        epoch = (step + 1) * schedule.batch / len(ctx.train)
        curves = {"loss": (epoch, value.item())}
        if keep_best and ((step + 1) % every == 0 or step + 1 == steps):
            candidate = _settled(student)
            reached = _accuracy(candidate, ctx)
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


def _forward(model: nn.Module, formats: dict[str, WeightFormat], inputs: Tensor) -> Tensor:
    if not formats:
        return model(inputs)  # type: ignore[no-any-return]
    own = dict(model.named_parameters())
    held = {name: own[name] + (form.project(own[name]) - own[name]).detach() for name, form in formats.items()}
    for name, form in formats.items():
        if form.mask is not None:  # straight through the grid, but not through the mask
            held[name] = held[name] * form.mask
    return torch.func.functional_call(model, held, (inputs,))  # type: ignore[no-any-return]


@torch.no_grad()
def _accuracy(model: nn.Module, ctx: Context) -> float:
    model.eval()
    hits = sum(int((model(x).argmax(1) == y).sum()) for _, x, y in ctx.validation.batches(250))
    return hits / max(1, len(ctx.validation))


@torch.no_grad()
def logits(model: nn.Module, view: View, ctx: Context, title: str) -> Tensor:
    """Return the logits [N, K] of a model that is in evaluation mode, on all images of a view."""
    parts = []
    for indices, inputs, _ in view.batches(250):
        parts.append(model(inputs))
        ctx.report(Progress(min(1.0, (int(indices[-1]) + 1) / len(view)), title))
    return torch.cat(parts)
