"""A supernet: the largest network of a space, trained so that its parts work too, each without training of its own.

The part that is a smaller network has the same names of parameters, of each the first channels, and of kernels the
centre. Nothing here knows any layer: whatever space says that it is `nested` has a supernet.

Each batch trains the largest network on the labels, and the smallest and some others on the answers of the largest: the
sandwich rule with in-place distillation (Yu & Huang 2019, https://arxiv.org/abs/1903.05134). Weights are shared as in
Cai et al. 2020 (https://arxiv.org/abs/1908.09791), without their matrices between kernels. Batch norms keep no
statistics meanwhile: a part gets its own from training images when it is taken out.
"""

from __future__ import annotations

import dataclasses
import math
import time
from collections.abc import Mapping
from dataclasses import dataclass
from random import Random

import torch
from torch import Tensor, nn
from torch.nn import functional as F

import workbench
from workbench import registry
from workbench.context import Context, Progress, Report, ignore, lent_generator
from workbench.errors import Refused
from workbench.models import _checkpoint, _weights
from workbench.models._train import Augment, Lesson
from workbench.network import name_architecture_
from workbench.recipe import digest
from workbench.resources import cache_home
from workbench.result import DataRef
from workbench.space import Region, Space
from workbench.techniques.batchnorm import reestimated

State = Mapping[str, Tensor]
_RECALIBRATION_IMAGES = 512


@dataclass(frozen=True, kw_only=True)
class Supernet:
    """Trained weights of the largest network of a space, for all of them."""

    space: type[Space]
    classes: int
    weights: State
    """By the names of the parameters of the largest network."""

    def part(self, point: Space, ctx: Context) -> nn.Module:
        """Return one network of the space with its part of the weights, its batch norms fitted to training images.

        It is what `point.build` makes, and shares nothing with the supernet.
        """
        network = fresh(point, self.classes)
        with torch.no_grad():
            for name, parameter in network.named_parameters():
                parameter.copy_(centred(self.weights[name], parameter.shape))
        return reestimated(network, torch.arange(min(_RECALIBRATION_IMAGES, len(ctx.calibration))), ctx)


def fresh(point: Space, classes: int, seed: int = 0) -> nn.Module:
    """Return a network of a space with fresh weights, the same for a seed."""
    with lent_generator(seed):
        return name_architecture_(point.build(classes), point.spelled)


def centred(tensor: Tensor, shape: torch.Size) -> Tensor:
    """Return the part [o, i, k, k] of a weight [O, I, K, K]: the first channels, and the centre of the kernel.

    Vectors and matrices have no kernel. It is a view, through which gradients go back.
    """
    for dim, size in enumerate(shape):
        start = (tensor.shape[dim] - size) // 2 if dim >= 2 else 0
        tensor = tensor.narrow(dim, start, size)
    return tensor


@dataclass(frozen=True, kw_only=True)
class Sandwich:
    """How a supernet is trained."""

    epochs: float = 20
    lr: float = 0.3
    batch: int = 64
    weight_decay: float = 1e-4
    others: int = 4
    """Networks of each batch besides the largest and the smallest, drawn anew."""


def trained_supernet(
    space: type[Space], course: Lesson, data_ref: DataRef, plan: Sandwich, report: Report = ignore
) -> Supernet:
    """Return the supernet of a space for the images of a lesson: trained now, or as it was trained before.

    It is kept in the folder `supernets` of the user's data folder, under the content that it was made from. Raises
    `Refused`, among others where the networks of the space are not nested; the report may raise `Cancelled`.
    """
    if not space.nested:
        raise Refused(f"{space.name} has no supernet, its networks are not nested: search it with nsga2, tpe or random")
    ctx = dataclasses.replace(course.context, report=report)
    whole = Region.of(space)
    classes = int(ctx.original(ctx.example).shape[1])
    images = registry.data.get(data_ref.name).open(data_ref).digest
    made = [workbench.__version__, space.name, whole.values, images, dataclasses.asdict(plan), ctx.seed, classes]
    file = cache_home() / "supernets" / f"{space.name}-{digest(made)[:16]}.safetensors"
    largest = fresh(whole.largest, classes, ctx.seed)
    if file.is_file():
        _checkpoint.load_into_(largest, _checkpoint.read(file), file.name)
    else:
        _train_(largest, space, ctx, plan, course.augment)
        _weights.save(largest, file, {"supernet": space.name, "seed": ctx.seed, **dataclasses.asdict(plan)})
    weights = {name: parameter.detach() for name, parameter in largest.named_parameters()}
    return Supernet(space=space, classes=classes, weights=weights)


def _train_(largest: nn.Module, space: type[Space], ctx: Context, plan: Sandwich, augment: Augment | None) -> None:
    whole = Region.of(space)
    own = dict(largest.named_parameters())
    classes = int(next(reversed(own.values())).shape[0])
    parameters = list(own.values())
    batch = min(plan.batch, len(ctx.train))
    steps = max(1, round(plan.epochs * len(ctx.train) / batch))
    optimizer = torch.optim.SGD(parameters, lr=plan.lr, momentum=0.9, nesterov=True, weight_decay=plan.weight_decay)
    anneal = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, plan.lr, total_steps=steps + 1, pct_start=max(0.1, 2 / (steps + 1)), div_factor=5
    )
    order, drawn = ctx.generator("supernet"), Random(ctx.seed)  # noqa: S311  # nothing here is a secret
    shapes: dict[Space, nn.Module] = {}

    def forward(point: Space, inputs: Tensor) -> Tensor:
        if point not in shapes:
            shapes[point] = fresh(point, classes).train()
        module = shapes[point]
        parts = {name: centred(own[name], parameter.shape) for name, parameter in module.named_parameters()}
        scores: Tensor = torch.func.functional_call(module, parts, (inputs,))
        return scores

    waiting = torch.empty(0, dtype=torch.long)
    began = time.monotonic()
    for step in range(steps):
        if len(waiting) < batch:
            waiting = torch.randperm(len(ctx.train), generator=order)
        indices, waiting = waiting[:batch], waiting[batch:]
        inputs = ctx.train.inputs(indices)
        if augment is not None:
            inputs = augment(inputs, order)
        inputs = inputs.contiguous(memory_format=torch.channels_last)  # twice as fast on a processor
        optimizer.zero_grad(set_to_none=True)
        scores = forward(whole.largest, inputs)
        loss = F.cross_entropy(scores, ctx.train.labels[indices])
        if not math.isfinite(loss.item()):
            raise Refused(f"the loss of the supernet of {space.name} became {loss.item()} in step {step + 1}")
        loss.backward()
        taught = scores.detach().softmax(1)
        others = [whole.smallest, *(whole.at(drawn.randrange(whole.size)) for _ in range(plan.others))]
        for point in others:
            F.cross_entropy(forward(point, inputs), taught).backward()
        nn.utils.clip_grad_norm_(parameters, 5.0)
        optimizer.step()
        anneal.step()
        left = (time.monotonic() - began) / (step + 1) * (steps - step - 1)
        words = f"training the supernet: step {step + 1} of {steps}, {left:.0f} s left"
        ctx.report(Progress((step + 1) / steps, words, {"loss": ((step + 1) * batch / len(ctx.train), loss.item())}))
