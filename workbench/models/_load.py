"""From the name of a model to a network: with fresh weights, or with the best trained ones that are at hand."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable
from pathlib import Path

from torch import nn

from workbench.cards import Model, ModelCard
from workbench.context import lent_generator
from workbench.errors import Refused
from workbench.models import _checkpoint, _weights
from workbench.network import name_architecture_
from workbench.registry import data, models
from workbench.result import ModelRef


def build(name: str, classes: int, seed: int = 0) -> nn.Module:
    """Return a network with fresh weights, always the same for a seed; raises `Refused` where classes do not fit."""
    return _fresh(models.get(name), classes, seed)


def load(ref: ModelRef, data_name: str, classes: int) -> tuple[nn.Module, ModelCard]:
    """Return a network with trained weights, and its card.

    The weights are, in this order: the checkpoint of the reference; those shipped for these data; those that
    `workbench train` made from these data; those shipped for other data; the publisher's own. Raises `Refused` where
    there are none, or where they do not fit the classes.
    """
    entry = models.get(ref.name)
    if ref.checkpoint:
        model = _filled(entry, classes, Path(ref.checkpoint).expanduser())
    elif (path := _kept(entry, data_name, classes)) is not None:
        model = _filled(entry, classes, path)
    elif entry.pretrained is not None and entry.card.classes in (None, classes):
        model = _made(entry.pretrained, entry.name)
    else:
        raise Refused(_no_weights(entry, data_name, classes))
    return model, _completed(entry.card, data_name)


def _fresh(entry: Model, classes: int, seed: int = 0) -> nn.Module:
    if entry.card.classes in (None, classes):
        return _made(entry.build, entry.name, seed)
    if entry.build_for is not None:
        return _made(functools.partial(entry.build_for, classes), entry.name, seed)
    raise Refused(f"{entry.name} has {entry.card.classes} classes, the data have {classes}: choose another network")


def _made(make: Callable[[], nn.Module], name: str, seed: int = 0) -> nn.Module:
    """Return what `make` makes, always the same for a seed, and without a trace in the global random generator."""
    with lent_generator(seed):
        return name_architecture_(make(), name)


def _filled(entry: Model, classes: int, path: Path) -> nn.Module:
    state = _checkpoint.read(path)
    model = _fresh(entry, classes)
    _checkpoint.load_into_(model, state, path.name)
    return model


def _kept(entry: Model, data_name: str, classes: int) -> Path | None:
    """Return the file of weights on this machine that fits best, if there is one."""
    shipped, trained = _weights.shipped(entry.name), _weights.trained(entry.name, data_name)
    candidates = [trained]
    if entry.card.classes == classes:
        made_for_these_data = entry.card.data[:1] == (data_name,)
        candidates.insert(0 if made_for_these_data else 1, shipped)
    return next((path for path in candidates if path.is_file()), None)


def _no_weights(entry: Model, data_name: str, classes: int) -> str:
    wrong = f" for {classes} classes" if entry.card.classes not in (None, classes) else ""
    return (
        f"there are no trained weights of {entry.name}{wrong} here: make them with "
        f"`workbench train {entry.name} --data {data_name}`, or bring weights of your own: "
        "“Weights of your own …” on the page, --checkpoint FILE on the command line"
    )


def _completed(card: ModelCard, data_name: str) -> ModelCard:
    """Return the card of a network of the user's with one mean and std for each channel of the data."""
    if card.mean:
        return card
    channels = data.get(data_name).card.shape[0]
    return dataclasses.replace(card, mean=(0.0,) * channels, std=(1.0,) * channels)
