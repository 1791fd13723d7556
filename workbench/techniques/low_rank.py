"""Low rank: a layer becomes two thinner ones whose product comes closest to it where the data are."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, final

from torch import nn

from workbench import factors
from workbench.context import Context, Progress
from workbench.errors import Refused
from workbench.network import FREE, clone, layers, weight_format
from workbench.recipe import Choice, Control, Layers, PerLayer, Range, Step
from workbench.reconstruction.traces import traced
from workbench.registry import techniques
from workbench.techniques._factoring import curves, factored
from workbench.techniques._notes import by_reason, listed
from workbench.techniques._own_settings import own_settings
from workbench.techniques._rank_choice import Option, best_within, cheapest_with, shared_out
from workbench.techniques._sites import Site, sites

_KEEP = Range(0.01, 1, 0.01, "share that stays of what `by` names; 1 leaves a layer whole", percent=True)


@techniques.register
@final
@dataclass(frozen=True, kw_only=True)
class LowRank(Step):
    """Replace layers by two factors each, plain layers that can be pruned, quantized and trained.

    `parameters` and `macs` share a budget of the whole network out so that the errors of all layers, relative to their
    outputs, have the least sum; `energy` gives each layer the fewest ranks that keep this share of the energy of its
    outputs; `rank` gives each the same share of its full rank. `auto` takes for each layer the form of less error at
    equal cost (with `rank`, the cost of the form `channel`). `plain` is the control: the truncated SVD of the weights,
    which knows nothing of data.

    Layers are factored in the order in which they run, each for what reaches it after those before it, so it makes up
    for what they lost. Layers stay whole that would not become smaller, that are grouped, or that are used twice. A
    factor may take any value: pruning and rounding come after this step.
    """

    name = "low_rank"
    title = "Low rank"
    summary = "Splits a layer into two thinner ones in a row: fewer weights, and less work on any machine."
    paper = (
        "k x k, then 1 x 1: Zhang et al. 2016, https://arxiv.org/abs/1505.06798; "
        "k x 1, then 1 x k: Jaderberg et al. 2014, https://arxiv.org/abs/1405.3866"
    )
    hurts_when = (
        "Layers are narrow, 1 x 1 or depthwise: there is little to split, and layers where it does not pay stay whole. "
        "Two layers in place of one also wait twice for memory, so time falls less than the multiply-adds do."
    )
    order = 15
    control = Control("plain SVD", {"method": "plain"})
    slider = "keep"
    neutral = 1.0
    positions = (0.7, 0.5, 0.85)
    reach = 0.1
    flags = {"rank": "keep"}

    keep: Annotated[float, _KEEP] = 0.7
    by: Annotated[str, Choice("parameters", "macs", "energy", "rank", help="what the share is of")] = "parameters"
    form: Annotated[str, Choice("auto", *factors.FORMS, help="k x k then 1 x 1, or k x 1 then 1 x k")] = "auto"
    method: Annotated[str, Choice("activations", "plain", help="least error in outputs, or in weights")] = "activations"
    layers: Annotated[Layers, PerLayer(_KEEP, "a share of their own for some layers")] = ()

    def apply(self, model: nn.Module, ctx: Context) -> nn.Module:
        own = own_settings(self.name, self.layers, layers(model))
        if min((self.keep, *own.values())) == 1:
            return clone(model).eval()
        plain = dataclasses.replace(self, method="plain")
        if self == plain:
            return self._made(model, ctx)
        return traced(self, model, ctx, self._made, plain._made)

    def _made(self, model: nn.Module, ctx: Context) -> nn.Module:
        if len(ctx.calibration) < 2:
            raise Refused(f"{self.name} needs at least 2 calibration images, got {len(ctx.calibration)}")
        found = sites(model, ctx.example)
        able = [name for name, site in found.items() if not site.whole]
        weighted = self.method == "activations"
        lost = curves(model, able, _part(ctx, 0), weighted=weighted) if able else {}
        options = {name: self._options(found[name], lost[name]) for name in able if name in lost}
        chosen = self._chosen(model, found, options, ctx)
        self._note(model, found, chosen, ctx)
        wanted = {name: (option.form, option.rank) for name, option in chosen.items() if option.form}
        if not wanted:
            return clone(model).eval()
        return factored(model, wanted, _part(ctx, 1), weighted=weighted, alone=self.keep == self.neutral)

    def _options(self, site: Site, lost: Mapping[str, tuple[float, ...]]) -> list[Option]:
        """Return the ways to have a layer that cost less than the layer as it is, and that one."""
        whole = self._cost(site)
        pairs = [
            Option(rank * self._cost(site, form), error, form, rank)
            for form in ((self.form,) if self.form in lost else lost)
            for rank, error in enumerate(lost[form])
            if rank
        ]
        return [*(option for option in pairs if option.cost < whole), Option(whole, 0.0)]

    def _chosen(
        self,
        model: nn.Module,
        found: Mapping[str, Site],
        options: Mapping[str, list[Option]],
        ctx: Context,
    ) -> dict[str, Option]:
        own = dict(self.layers)
        if self.by in ("rank", "energy"):
            return {name: self._alone(found[name], every, own.get(name, self.keep)) for name, every in options.items()}
        chosen = {name: self._alone(found[name], every, own[name]) for name, every in options.items() if name in own}
        rest = {name: every for name, every in options.items() if name not in own}
        sizes = (p.numel() for p in model.parameters()) if self.by == "parameters" else (s.macs for s in found.values())
        total = sum(sizes) - sum(self._cost(found[name]) for name in chosen)
        fixed = total - sum(self._cost(found[name]) for name in rest)
        shared = shared_out(rest, self.keep * total - fixed)
        least = fixed + sum(option.cost for option in shared.values())
        if least > self.keep * total:
            ctx.note(
                f"low rank keeps {least / total:.1%} of the {self.by} instead of {self.keep:.0%}: "
                "factoring layers cannot save more"
            )
        return chosen | shared

    def _alone(self, site: Site, options: list[Option], share: float) -> Option:
        if self.by == "energy":
            return cheapest_with(options, 1 - share)
        if self.by != "rank":
            return best_within(options, share * self._cost(site))
        form = self.form if self.form in factors.forms(site.layer) else factors.CHANNEL
        cost = max(1, round(share * factors.full_rank(site.layer, form))) * self._cost(site, form)
        return best_within(options, cost) if cost < self._cost(site) else Option(self._cost(site), 0.0)

    def _cost(self, site: Site, form: str = "") -> int:
        """Return what one rank of a form costs, or the layer as it is."""
        if self.by == "macs":
            return site.macs_per_rank(form) if form else site.macs
        return site.parameters_per_rank(form) if form else site.layer.weight.numel()

    def _note(self, model: nn.Module, found: Mapping[str, Site], chosen: Mapping[str, Option], ctx: Context) -> None:
        pays = "would not become smaller" if self.by in ("rank", "energy") else "better whole, others split more"
        whole = {name: found[name].whole if name in found else "not called" for name in layers(model)}
        whole = {name: reason for name, reason in whole.items() if reason}
        whole |= {name: pays for name, option in chosen.items() if not option.form}
        if whole:
            ctx.note(f"low rank left whole: {by_reason(whole)}")
        split = [name for name, option in chosen.items() if option.form]
        if held := [name for name in split if weight_format(found[name].layer) is not FREE]:
            ctx.note(
                f"low rank lets the factors of {listed(held)} take any value: what was pruned or rounded there before "
                "is not any more, so put those steps after it"
            )


def _part(ctx: Context, number: int) -> Context:
    """Return the context for one of two passes, whose progress is half of the whole."""

    def report(progress: Progress) -> None:
        ctx.report(dataclasses.replace(progress, fraction=(number + progress.fraction) / 2))

    return dataclasses.replace(ctx, report=report)
