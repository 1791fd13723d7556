"""`workbench train`: makes the weights of a network of the zoo, so that anybody can make them again."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from workbench.cards import Training
from workbench.context import Context, Report, ignore
from workbench.images import Images, Preprocess, View
from workbench.models import _weights
from workbench.models._load import _completed, build, load
from workbench.registry import data, models
from workbench.result import DataRef, ModelRef
from workbench.training import Schedule, fit

Augment = Callable[[Tensor, torch.Generator], Tensor]

USUAL = Training(epochs=20, lr=0.02, batch=64, augment=True)
"""For a network whose card does not say how it is trained."""
_JUDGES = 500
"""Fewer validation images cannot tell a good state from a lucky one: then the last state is kept, not the best."""


def train(
    name: str,
    data_ref: DataRef,
    seed: int = 0,
    epochs: float | None = None,
    report: Report = ignore,
) -> nn.Module:
    """Return a network trained from fresh weights, the same for the same arguments on the same machine.

    `epochs` stands in for the number that the model's entry gives. Raises `Refused`; the report raises `Cancelled`.
    """
    course = lesson(name, data_ref, seed, report)
    plan, context = course.plan, course.context
    schedule = Schedule(
        epochs=plan.epochs if epochs is None else epochs,
        lr=plan.lr,
        batch=plan.batch,
        weight_decay=plan.weight_decay,
    )
    return fit(
        context.original,
        context,
        schedule,
        title=f"training {name}",
        keep_best=len(context.validation) >= _JUDGES,
        augment=course.augment,
    )


@dataclass(frozen=True, kw_only=True)
class Lesson:
    """What training a network of the zoo takes."""

    context: Context
    """With the network, its weights fresh, as `original`."""
    plan: Training
    augment: Augment | None
    about: dict[str, Any]
    """What a packed file of the network says besides its weights."""


def lesson(name: str, data_ref: DataRef, seed: int = 0, report: Report = ignore) -> Lesson:
    """Return what it takes to train a network by name on a data set. Raises `Refused`."""
    entry, entry_data = models.get(name), data.get(data_ref.name)
    plan = entry.training or USUAL
    splits = entry_data.open(data_ref)
    card = _completed(entry.card, data_ref.name)
    preprocess = Preprocess(card.input_shape or entry_data.card.shape, card.mean, card.std)
    classes = len(splits.classes)

    def view(images: Images) -> View:
        return View(images, preprocess)

    context = Context(
        original=build(name, classes, seed),
        train=view(splits.train),
        validation=view(splits.validation),
        calibration=view(splits.calibration),
        seed=seed,
        report=report,
        build=lambda other: build(other, classes),
        load=lambda other: load(ModelRef(name=other), data_ref.name, classes)[0],
    )
    augment = varied(preprocess, mirror=entry_data.card.mirror) if plan.augment else None
    about = {"input": dataclasses.asdict(preprocess), "classes": list(splits.classes)}
    return Lesson(context=context, plan=plan, augment=augment, about=about)


def save(model: nn.Module, path: Path, *, name: str, data_name: str, seed: int, epochs: float | None = None) -> None:
    """Write trained weights with how they were made; raises `Refused` where the file cannot be written."""
    plan = models.get(name).training or USUAL
    about = {"model": name, "data": data_name, "seed": seed, "epochs": plan.epochs if epochs is None else epochs}
    _weights.save(model, path, about)


def default_path(name: str, data_name: str) -> Path:
    """Return the file in which the workbench looks for these weights."""
    return _weights.trained(name, data_name)


def varied(preprocess: Preprocess, *, mirror: bool) -> Augment:
    """Return the augmentation of images that were preprocessed: each is shifted by up to an eighth of its size.

    What is shifted in is black. With `mirror`, one half of the images is flipped left to right.
    """
    black = -torch.tensor(preprocess.mean) / torch.tensor(preprocess.std)

    def augment(inputs: Tensor, generator: torch.Generator) -> Tensor:
        if mirror:
            flip = torch.rand(len(inputs), generator=generator) < 0.5
            inputs = torch.where(flip.view(-1, 1, 1, 1), inputs.flip(3), inputs)
        return shifted(inputs, black.view(-1, 1, 1), generator)

    return augment


def shifted(inputs: Tensor, fill: Tensor, generator: torch.Generator) -> Tensor:
    """Return images [B, C, H, W], each moved by up to an eighth of height and width; `fill` [C, 1, 1] moves in."""
    count, _, height, width = inputs.shape
    tall, wide = height // 8, width // 8
    padded = F.pad(inputs - fill, (wide, wide, tall, tall)) + fill
    top = torch.randint(2 * tall + 1, (count, 1), generator=generator)
    left = torch.randint(2 * wide + 1, (count, 1), generator=generator)
    rows = (top + torch.arange(height)).view(count, height, 1)
    columns = (left + torch.arange(width)).view(count, 1, width)
    image = torch.arange(count).view(count, 1, 1)
    return padded[image, :, rows, columns].permute(0, 3, 1, 2).contiguous()
