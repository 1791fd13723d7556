"""Structured pruning: whole channels leave the network, which comes out smaller in every file and on every machine."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Annotated, final

import torch
from torch import Tensor, nn

from workbench.context import Context
from workbench.errors import Refused
from workbench.network import clone, layers
from workbench.recipe import Choice, Control, Layers, PerLayer, Range, Step, Switch
from workbench.reconstruction.sequence import Calibration
from workbench.reconstruction.traces import traced
from workbench.registry import techniques
from workbench.techniques._channel_choice import (
    cheapest_first,
    evenly,
    leave_by_count_,
    leave_by_share_,
    leave_by_work_,
    snap_,
)
from workbench.techniques._channel_groups import Structure, largest_passing, structure, without
from workbench.techniques._channel_ranking import Ranking, by_chance, by_magnitude, by_reconstruction
from workbench.techniques._channel_refit import refitted
from workbench.techniques._channel_streams import inside_blocks
from workbench.techniques._channel_work import Work, work
from workbench.techniques._notes import listed
from workbench.techniques._own_settings import own_settings

_RATIO = Range(0, 0.9, 0.01, "share of the channels removed, or of the MACs saved", percent=True)
_LOOK = Calibration(images=512, positions=24, damping=0.03)
"""For the refit. Many images and few positions of each: neighbouring positions say the same."""
_GLANCE = Calibration(images=64, positions=32, damping=0.1)
"""What a slider has time for. The order of channels is no worse from it than from eight times as much (ResNet-20)."""
_GLANCE_MACS = 4e9
"""What its forward pass may take."""
_FEW = 32
"""Calibration images below which a note warns."""
_NEAR = 0.03
"""How much of the MACs may be missing from what was asked for, before a note says so."""


@techniques.register
@final
@dataclass(frozen=True, kw_only=True)
class Channels(Step):
    """Remove the channels that the network misses least, with everything that reads them, and refit what is left.

    Channels that a sum or a product ties together go together and count as one. `reconstruction` asks how much more of
    their outputs the layers that read a channel lose when it leaves and their other weights make up for it, and weighs
    that by what it does to the answers. `magnitude` takes the L2 norm of all that would leave, made comparable between
    groups by LAMP. `random` is the control. Ties go by position: the earlier leaves.

    The refit goes through the network layer after layer, whatever the score, so that scores can be compared.
    """

    name = "channels"
    title = "Channel pruning"
    summary = "Takes whole channels out, so that the network really is narrower: smaller and faster without tricks."
    paper = (
        "Frantar and Alistarh 2022 (OBC), https://arxiv.org/abs/2208.11580; the refit: He et al. 2017, "
        "https://arxiv.org/abs/1707.06168, and Luo et al. 2017 (ThiNet), https://arxiv.org/abs/1707.06342; magnitude: "
        "Li et al. 2017, https://arxiv.org/abs/1608.08710, ranked by Lee et al. 2021 (LAMP), "
        "https://arxiv.org/abs/2010.07611; what goes together: Fang et al. 2023, https://arxiv.org/abs/2301.12900"
    )
    hurts_when = (
        "Beyond a third of the MACs without training afterwards: nothing can stand in for most channels. "
        "Narrow networks lose most, and the channels of a residual stream hurt more than those inside a block."
    )
    order = 10
    control = Control("random channels", {"score": "random"})
    slider = "ratio"
    neutral = 0.0
    positions = (0.3, 0.2, 0.4, 0.5, 0.1, 0.6, 0.7, 0.8)
    reach = 0.05
    flags = {"channels": "ratio"}

    ratio: Annotated[float, _RATIO] = 0.3
    by: Annotated[str, Choice("channels", "macs", help="what the ratio is a share of")] = "channels"
    score: Annotated[
        str, Choice("reconstruction", "magnitude", "random", help="what says how much a channel matters")
    ] = "reconstruction"
    refit: Annotated[bool, Switch("solve the weights that stay anew, for the outputs that each layer had before")] = (
        True
    )
    streams: Annotated[
        str, Choice("inner", "all", help="channels inside of blocks only, or those of residual streams too")
    ] = "inner"
    scope: Annotated[str, Choice("global", "layer", help="one ranking for all layers, or the same share of each")] = (
        "global"
    )
    multiple: Annotated[int, Choice(1, 4, 8, help="widths that remain are multiples of this, rounded up")] = 1
    layers: Annotated[Layers, PerLayer(_RATIO, "a ratio of their own for some layers; tied ones take the lowest")] = ()

    def apply(self, model: nn.Module, ctx: Context) -> nn.Module:
        own = own_settings(self.name, self.layers, layers(model))
        if not any((self.ratio, *own.values())):
            return clone(model).eval()
        if self == self._simple:
            return self._made(model, ctx)
        return traced(self, model, ctx, self._made, self._glanced)

    @property
    def _simple(self) -> Channels:
        """The same without calibration images."""
        score = "magnitude" if self.score == "reconstruction" else self.score
        return replace(self, score=score, refit=False)

    def _glanced(self, model: nn.Module, ctx: Context) -> nn.Module:
        """Return what there is time for while a slider moves."""
        known = self.score != "reconstruction" or ctx.cache.peek(self._order_key(model, ctx)) is not None
        step = self if known else replace(self, score=self._simple.score)
        amount = work(model, structure(model, ctx).labelling, ctx.example)
        if amount.total * _GLANCE.images > _GLANCE_MACS:
            step = step._simple
        return step._made(model, ctx, _GLANCE)

    def _made(self, model: nn.Module, ctx: Context, look: Calibration = _LOOK) -> nn.Module:
        own = dict(self.layers)
        found = structure(model, ctx)
        if found.whole:
            ctx.note(f"channel pruning left whole: {listed(found.whole)}")
        amount = work(model, found.labelling, ctx.example)
        if self.streams == "inner":
            every, found = found, inside_blocks(model, found, amount.positions)
            if every.groups and not found.groups:
                raise Refused(f"{self.name}: only residual streams of this network can be narrowed; set streams to all")
        able = {name for group in found.groups for name in group.layers}
        if idle := [name for name in own if name not in able]:
            ctx.note(f"channel pruning has nothing to remove in {listed(idle)}")
        rankings = self._rankings(model, found, amount, ctx)
        keep = self._keep(found, rankings, amount, ctx)
        return self._removed(model, found, keep, ctx, look)

    def _rankings(self, model: nn.Module, found: Structure, amount: Work, ctx: Context) -> list[Ranking]:
        if self.score == "random":
            return by_chance(found, self.name, ctx)
        if self.score == "magnitude" or not found.groups:
            return by_magnitude(model, found)

        def look() -> tuple[list[Ranking], list[str]]:
            return by_reconstruction(model, found, amount, ctx, _GLANCE)

        rankings, blind = ctx.cache.get(self._order_key(model, ctx), look)
        if blind:
            ctx.note(f"channels ranked by magnitude, because what reads them cannot be solved: {listed(blind)}")
        return rankings

    def _order_key(self, model: nn.Module, ctx: Context) -> str:
        return f"channel order/{self.streams}/{ctx.key_of(model)}/{ctx.reference_key}"

    def _keep(self, found: Structure, rankings: Sequence[Ranking], amount: Work, ctx: Context) -> Tensor:
        """Return which labels stay, bool [labels]."""
        keep = torch.ones(amount.count, dtype=torch.bool)
        own = dict(self.layers)
        together: list[Ranking] = []
        for group, ranking in zip(found.groups, rankings, strict=True):
            ratio = min((own[name] for name in group.layers if name in own), default=None)
            if ratio is not None:
                leave_by_share_(keep, ranking, ratio)
            elif self.scope == "layer" and self.by == "channels":
                leave_by_share_(keep, ranking, self.ratio)
            else:
                together.append(ranking)

        def cost(choice: Tensor) -> float:
            """Return the multiply-adds of a choice after its widths have been rounded up."""
            choice = choice.clone()
            snap_(choice, rankings, found, self.multiple)
            return amount.of(choice)

        goal = (1 - self.ratio) * amount.total
        if self.by == "macs":
            order = evenly(together) if self.scope == "layer" else cheapest_first(together, amount)
            leave_by_work_(keep, order, cost, goal)
        else:
            count = round(self.ratio * sum(len(ranking.labels) for ranking in together))
            leave_by_count_(keep, cheapest_first(together), count)
        snap_(keep, rankings, found, self.multiple)
        saved = 1 - amount.of(keep) / amount.total
        if self.by == "macs" and abs(saved - self.ratio) > _NEAR:
            ctx.note(
                f"channel pruning saves {saved:.1%} of the MACs, not {self.ratio:.0%}: whole channels come no nearer"
            )
        return keep

    def _removed(self, model: nn.Module, found: Structure, keep: Tensor, ctx: Context, look: Calibration) -> nn.Module:
        dropped = [group.labels[~keep[group.labels]] for group in found.groups]
        smaller: list[nn.Module] = []

        def passes(chosen: Sequence[int]) -> bool:
            result = without(model, found.labelling, [dropped[index] for index in chosen], ctx.example)
            smaller[:] = smaller if result is None else [result]
            return result is not None

        wanted = [index for index, labels in enumerate(dropped) if len(labels)]
        removed = largest_passing(wanted, passes)
        if not found.groups or (wanted and not removed):
            raise Refused(
                f"{self.name}: no channels of this network can be removed without changing what the others compute; "
                "leave this step out, or prune single weights instead"
            )
        if failed := [index for index in wanted if index not in removed]:
            names = [name for index in failed for name in found.groups[index].layers]
            ctx.note(f"channel pruning left whole, because the answers changed: {listed(names)}")
            keep[torch.cat([dropped[index] for index in failed])] = True
        if not removed or not self.refit:
            return smaller[0] if smaller else clone(model).eval()
        if len(ctx.calibration) < _FEW:
            ctx.note(f"channel pruning was refitted on {len(ctx.calibration)} images, too few to trust")
        wide = refitted(model, found.labelling, keep, ctx, look)
        return without(wide, found.labelling, [dropped[index] for index in removed], ctx.example) or smaller[0]
