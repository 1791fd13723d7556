"""Which layers read the channels of a group, column by column of their weights, and the problems that they pose."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn

from workbench.context import Context
from workbench.network import Layer
from workbench.reconstruction.problem import Problem
from workbench.reconstruction.sequence import Calibration, walk
from workbench.techniques._channel_groups import Group
from workbench.techniques._channel_labels import Labelling


def columns(labelling: Labelling, name: str, layer: Layer) -> Tensor | None:
    """Return the label of each column of a weight as rows [out, D]; None where channels do not leave by columns.

    That is where the layer was not followed, and in grouped convolutions, whose groups leave whole.
    """
    if name not in labelling.ports or (not isinstance(layer, nn.Linear) and layer.groups > 1):
        return None
    into = labelling.ports[name].into
    return into.repeat_interleave(layer.weight[0].numel() // len(into))


def readers(model: nn.Module, labelling: Labelling, groups: Sequence[Group]) -> dict[str, Tensor]:
    """Return the columns of every layer that reads a channel of these groups, by name."""
    able = torch.cat([torch.empty(0, dtype=torch.long), *(group.labels for group in groups)])
    found = {}
    for name in labelling.ports:
        layer = model.get_submodule(name)
        of = columns(labelling, name, layer) if isinstance(layer, Layer) else None
        if of is not None and torch.isin(of, able).any():
            found[name] = of
    return found


def problems(
    model: nn.Module, ctx: Context, names: Mapping[str, Tensor], calibration: Calibration
) -> dict[str, Problem]:
    """Return the problems of some layers for what they read now, before any channel leaves."""
    found: dict[str, Problem] = {}

    def look(name: str, layer: Layer, problem: Problem) -> Tensor:
        if name in names:
            found[name] = problem
        return layer.weight

    walk(model, ctx, look, calibration)
    return found
