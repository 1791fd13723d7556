"""Groups of channels that can be taken out of a network, each one tried.

That the labels of `_channel_labels` tell the truth is not taken for granted. Some channels are taken out of every
group, and the smaller network must then answer as its masked twin does: the network of full width in which the same
channels are zero. What fails, because a number of channels is written in the code, or because an activation makes
something of nothing (a sigmoid of zero is a half), is left whole.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from workbench.activations import exact_activations
from workbench.context import Context
from workbench.errors import Refused
from workbench.network import clone, layers
from workbench.techniques._channel_labels import Labelling, label_channels
from workbench.techniques._channel_surgery import masked, sliced

T = TypeVar("T")
_TRIALS = 3
"""Networks of random weights on which each group is tried: in one alone, dead units may hide a fault."""
_PLAIN = (bool, int, float, str, tuple, type(None))


@dataclass(frozen=True)
class Group:
    """Channels of the same layers: any number of labels can be taken out, one must stay."""

    layers: tuple[str, ...]
    """The layers that put these channels out."""
    labels: Tensor
    """int64 [K], in the order of the channels of the first layer."""


@dataclass(frozen=True)
class Structure:
    """What can be taken out of networks of one architecture."""

    labelling: Labelling
    groups: tuple[Group, ...]
    whole: tuple[str, ...]
    """Layers all of whose channels stay; the layer that puts out the classes is not named."""


def structure(model: nn.Module, ctx: Context) -> Structure:
    """Return the groups of a network; kept in the context's cache, since only the architecture matters.

    Raises `Refused` where the network cannot be followed at all.
    """
    example = ctx.example
    return ctx.cache.get(f"channels/{outline(model, example)}", lambda: _find(model, example, ctx))


@exact_activations()
def without(model: nn.Module, labelling: Labelling, dropped: Sequence[Tensor], example: Tensor) -> nn.Module | None:
    """Return a copy without the dropped labels, in evaluation mode, if it answers the example as its masked twin does.

    Else None. The answers may differ by 1e-4 of the largest one, or by 1e-9 of it in double precision.
    """
    keep = torch.ones(labelling.count, dtype=torch.bool)
    keep[torch.cat([torch.empty(0, dtype=torch.long), *dropped])] = False
    try:
        with torch.no_grad():
            wanted = masked(model, labelling.ports, keep).eval()(example)
            smaller = sliced(model, labelling.ports, keep).eval()
            got = smaller(example)
    except Exception:  # a network whose code counts on its channels may fail in any way; that is what is asked here
        return None
    tolerance = 1e-9 if example.dtype == torch.float64 else 1e-4
    same = got.shape == wanted.shape and bool((got - wanted).abs().max() <= tolerance * wanted.abs().max())
    return smaller if same else None


def largest_passing(candidates: Sequence[T], passes: Callable[[Sequence[T]], bool]) -> list[T]:
    """Return candidates that pass together, found by halving: one trial where all do, a few for each that does not."""
    found: list[T] = []

    def add(more: Sequence[T]) -> None:
        if passes([*found, *more]):
            found.extend(more)
        elif len(more) > 1:
            add(more[: len(more) // 2])
            add(more[len(more) // 2 :])

    if candidates:
        add(candidates)
    return found


@exact_activations()
def _find(model: nn.Module, example: Tensor, ctx: Context) -> Structure:
    try:
        labelling = label_channels(clone(model).eval(), example)
    except Exception as error:  # labels may be inputs that a user's network cannot stand
        raise Refused(f"the channels of this network cannot be followed: {type(error).__name__}: {error}") from error
    groups = _grouped(labelling, list(layers(model)))
    generator = ctx.generator("channels", "trial")
    sound = list(range(len(groups)))
    for _ in range(_TRIALS):
        sound = _tried(sound, groups, labelling, generic(model, example, generator), generator)
    touched = {name for index in sound for name in groups[index].layers} | labelling.last
    whole = tuple(name for name in layers(model) if name not in touched)
    return Structure(labelling, tuple(groups[index] for index in sound), whole)


def _tried(
    candidates: Sequence[int],
    groups: Sequence[Group],
    labelling: Labelling,
    subject: tuple[nn.Module, Tensor],
    generator: torch.Generator,
) -> list[int]:
    """Return the groups, by index, of which some labels can be taken out of the subject, a network with its input."""
    trial, example = subject
    some = [_some(group.labels, generator) for group in groups]

    def passes(chosen: Sequence[int]) -> bool:
        return without(trial, labelling, [some[index] for index in chosen], example) is not None

    return largest_passing(candidates, passes)


def _grouped(labelling: Labelling, layer_names: Sequence[str]) -> list[Group]:
    """Return the labels that occur in the same modules as one group each; a single label has nothing to rank."""
    places: dict[int, list[tuple[str, str]]] = {}
    for name, ports in labelling.ports.items():
        for side, labels in (("out", ports.out), ("into", ports.into)):
            for label in labels.unique().tolist():
                places.setdefault(label, []).append((name, side))
    members: dict[tuple[tuple[str, str], ...], list[int]] = {}
    for label in sorted(places.keys() - {0}):
        members.setdefault(tuple(places[label]), []).append(label)
    return [
        Group(tuple(name for name, side in found if side == "out" and name in layer_names), torch.tensor(labels))
        for found, labels in members.items()
        if len(labels) > 1
    ]


def _some(labels: Tensor, generator: torch.Generator) -> Tensor:
    """Return between one and half of the labels, so that groups which only fit in equal shares do not pass."""
    number = int(torch.randint(1, max(2, len(labels) // 2 + 1), (1,), generator=generator))
    return labels[torch.randperm(len(labels), generator=generator)[:number]]


def generic(model: nn.Module, example: Tensor, generator: torch.Generator) -> tuple[nn.Module, Tensor]:
    """Return a copy with random parameters and statistics, and a random input; in double precision if it can run so.

    The zeros of a fresh or pruned network would hide what an activation makes of zero, and so would dead units. Hence
    strong inputs, biases near 1, and weights that keep the size of what passes through (He et al. 2015,
    https://arxiv.org/abs/1502.01852).
    """
    result = clone(model).eval()

    def noise(like: Tensor) -> Tensor:
        return torch.randn(like.shape, generator=generator).to(like)

    with torch.no_grad():
        for parameter in result.parameters():
            if parameter.ndim > 1:
                parameter.copy_(noise(parameter) * math.sqrt(2 / parameter[0].numel()))
            else:
                parameter.copy_(1 + noise(parameter) * 0.3)
        for module in result.modules():
            if isinstance(module, _BatchNorm) and module.running_mean is not None and module.running_var is not None:
                module.running_mean.add_(noise(module.running_mean) * 0.3)
                module.running_var.mul_(noise(module.running_var).mul(0.3).exp())
        example = noise(example) * 3
        try:
            double = clone(result).double()
            double(example.double())
        except Exception:  # the code asks for one precision, or the device has no other
            return result, example
    return double, example.double()


def outline(model: nn.Module, example: Tensor) -> str:
    """Return a hash of all but the weights: the kinds of the modules, their settings, and every shape."""
    found = hashlib.sha256(str(tuple(example.shape)).encode())
    for name, module in model.named_modules():
        settings = {k: v for k, v in vars(module).items() if isinstance(v, _PLAIN) and k != "training"}
        found.update(f"{name} {type(module).__module__}.{type(module).__qualname__} {settings}".encode())
    for name, tensor in model.state_dict().items():
        found.update(f"{name} {tuple(tensor.shape)}".encode())
    return found.hexdigest()
