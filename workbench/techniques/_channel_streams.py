"""Residual streams, told from the channels inside of blocks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from torch import nn

from workbench.techniques._channel_groups import Group, Structure


def inside_blocks(model: nn.Module, found: Structure, positions: Mapping[str, int]) -> Structure:
    """Return the structure with only the groups that one layer alone puts out; the layers of the others stay whole.

    Where several layers do, their outputs meet in a sum: a residual stream. Depthwise convolutions do not count, since
    they pass on each channel, nor do gates, which put out one number for a channel that others put out at all positions
    (squeeze and excitation). `positions` says at how many positions each layer puts out its channels.
    """

    def sources(group: Group) -> list[int]:
        modules = {name: model.get_submodule(name) for name in group.layers}
        return [positions.get(name, 0) for name, module in modules.items() if getattr(module, "groups", 1) == 1]

    groups = tuple(group for group in found.groups if (at := sources(group)).count(max(at, default=0)) <= 1)
    inner = {name for group in groups for name in group.layers}
    streams = tuple(name for group in found.groups for name in group.layers if name not in inner)
    return replace(found, groups=groups, whole=(*found.whole, *dict.fromkeys(streams)))
