"""Cross-layer equalisation: channels of very different range are scaled alike, and the network computes the same."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, final

import torch
from torch import Tensor, nn

from workbench.activations import activation_format
from workbench.context import Context, Progress
from workbench.network import clone, weight_format
from workbench.recipe import Step, Switch
from workbench.registry import techniques
from workbench.techniques._channel_groups import largest_passing
from workbench.techniques._notes import by_reason
from workbench.techniques._scaling_search import answer, differs, scalings
from workbench.techniques._scalings import Link, Row, Scaling, layer, read, scale_, scaled, written

_IMAGES = 64
_INPUTS = 1 << 21
"""How many numbers all images together may have."""
_TOLERANCE = 1e-4
"""What the answers may differ by, as a share of the largest one."""
_SWEEPS = 50
_SETTLED = 1e-3


@techniques.register
@final
@dataclass(frozen=True, kw_only=True)
class Equalize(Step):
    """Scale channels so that one grid for a whole layer suits all of them; the answers stay what they were.

    `links` divides what a layer writes and multiplies what the next one reads, so that both have the same range:
    s = sqrt(r1 / r2) for each channel in turn until nothing moves. In front of the next layer there may be a batch
    norm, ReLU or pooling, but no ReLU6: it clips at 6 whatever the scale, and replacing it would change the
    architecture that a file names. `rows` gives the outputs of a layer in front of a batch norm one range, which
    the norm takes back; it needs a runtime that rescales channels after the layer instead of folding the norm into it.

    Each scaling is tried, and undone where answers on calibration images move by more than 1e-4 of the largest.
    """

    name = "equalize"
    title = "Equalise ranges"
    summary = "Scales channels between layers so that their weights span similar ranges; the network computes the same."
    paper = "Nagel et al. 2019, https://arxiv.org/abs/1906.04721"
    hurts_when = (
        "There is little to gain with a scale for each channel, and pruning and training afterwards see other weights. "
        "Channels whose weights become small read large activations, which then need more bits themselves."
    )
    order = 12
    rewrites = True

    links: Annotated[bool, Switch("balance channels between the layer that writes and the one that reads them")] = True
    rows: Annotated[bool, Switch("give the outputs of a layer in front of a batch norm one range")] = True

    def apply(self, model: nn.Module, ctx: Context) -> nn.Module:
        able = scalings(model, ctx)
        wanted = [place for place in able if (self.links if isinstance(place, Link) else self.rows)]
        fixed = {place: reason for place in wanted if (reason := _fixed(model, place))}
        if fixed:
            ctx.note(f"equalise left as they are: {by_reason({p.writer: reason for p, reason in fixed.items()})}")
        wanted = [place for place in wanted if place not in fixed]
        if not able:
            ctx.note("equalise found nothing to scale: no channel of this network can be followed to where it is read")
        key = f"equalize/{ctx.reference_key}/{ctx.key_of(model)}/{self!r}"
        return scaled(model, ctx.cache.get(key, lambda: _checked(model, wanted, ctx)))


def _fixed(model: nn.Module, place: Link | Row) -> str:
    """Return why the layers must not be scaled, "" where they may be."""
    ends = [
        layer(model, name) for name in ({place.writer, place.reader} if isinstance(place, Link) else {place.writer})
    ]
    if any(weight_format(end).grid is not None for end in ends):
        return "quantized already"
    if isinstance(place, Link) and activation_format(layer(model, place.reader)) is not None:
        return "the inputs of the next layer are rounded already"
    return ""


def _checked(model: nn.Module, wanted: Sequence[Link | Row], ctx: Context) -> list[Scaling]:
    """Return the scalings that leave the answers on calibration images as they were."""
    affordable = max(1, _INPUTS // max(1, ctx.example[0].numel()))
    images = ctx.calibration.inputs(torch.arange(min(_IMAGES, len(ctx.calibration), affordable)))
    original = answer(clone(model).eval(), images)
    factors: list[Scaling] = []

    def passes(chosen: Sequence[Link | Row]) -> bool:
        found = equalizing(model, chosen)
        ctx.report(Progress(0.5, "equalising ranges"))
        if not differs(answer(scaled(model, found), images), original) <= _TOLERANCE:  # NaN is no answer either
            return False
        factors[:] = found
        return True

    kept = largest_passing(wanted, passes)
    if left := {place.writer: "the answers moved" for place in wanted if place not in kept}:
        ctx.note(f"equalise left as they are: {by_reason(left)}")
    return factors


@torch.no_grad()
def equalizing(model: nn.Module, places: Sequence[Link | Row]) -> list[Scaling]:
    """Return the factors of all places, found one place after the other until nothing moves any more."""
    trial = clone(model).eval()
    total = [torch.ones_like(written(trial, place)) for place in places]
    for _ in range(_SWEEPS):
        moved = 0.0
        for so_far, place in zip(total, places, strict=True):
            ranges = written(trial, place)
            factor = _levelling(ranges) if isinstance(place, Row) else _balance(ranges, read(trial, place))
            scale_(trial, place, factor)
            so_far.mul_(factor)
            moved = max(moved, float(factor.log().abs().max()))
        if moved < _SETTLED:
            break
    return list(zip(places, total, strict=True))


def _balance(first: Tensor, second: Tensor) -> Tensor:
    """Return factors that make the ranges of both sides equal but for one number; 1 for a channel that is dead."""
    alive = (first > 0) & (second > 0)
    if not alive.any():
        return torch.ones_like(first)
    logs = 0.5 * (first[alive].log() - second[alive].log())
    result = torch.ones_like(first)
    result[alive] = (logs - logs.mean()).exp()
    return result


def _levelling(ranges: Tensor) -> Tensor:
    """Return factors that give all rows the geometric mean of their ranges; 1 for rows of zeros."""
    alive = ranges > 0
    if not alive.any():
        return torch.ones_like(ranges)
    return torch.where(alive, ranges[alive].log().mean().exp() / ranges, 1.0)
