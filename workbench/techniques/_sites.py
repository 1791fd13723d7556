"""Where in a network each layer works, what it would cost factored, and why it cannot be, where it cannot."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn

from workbench import factors
from workbench.network import Layer, clone, layers
from workbench.techniques._channel_groups import largest_passing
from workbench.techniques._factoring import substitute_
from workbench.techniques._factors import Factors


@dataclass(frozen=True)
class Site:
    """A layer's place in the network, for one image."""

    layer: Layer
    positions: int
    """How many outputs each row of the weight computes."""
    columns: int
    """The same for a factor that works along the height alone, before anything strides along the width."""
    whole: str = ""
    """Why two layers cannot take its place; "" where they can."""

    @property
    def macs(self) -> int:
        """Multiply-adds of the layer."""
        return self.layer.weight.numel() * self.positions

    def parameters_per_rank(self, form: str) -> int:
        """Return how many weights each rank of the factored layer has."""
        return sum(map(math.prod, factors.shapes(self.layer, form, 1)))

    def macs_per_rank(self, form: str) -> int:
        """Return the multiply-adds of each rank of the factored layer."""
        first, second = map(math.prod, factors.shapes(self.layer, form, 1))
        return first * (self.columns if form == factors.SPATIAL else self.positions) + second * self.positions


def sites(model: nn.Module, example: Tensor) -> dict[str, Site]:
    """Return the layers that run, by name; which of them can be replaced is tried."""
    known = layers(model)
    calls: Counter[str] = Counter()
    found: dict[str, Site] = {}

    def hook(name: str) -> Callable[[Layer, tuple[Tensor, ...], Tensor], None]:
        def after(layer: Layer, inputs: tuple[Tensor, ...], output: Tensor) -> None:
            calls[name] += 1
            positions = output.numel() // len(example) // len(layer.weight)
            columns = output.shape[-2] * inputs[0].shape[-1] if isinstance(layer, nn.Conv2d) else positions
            found[name] = Site(known[name], positions, columns)

        return after

    run = clone(model).eval()
    for name, layer in layers(run).items():
        layer.register_forward_hook(hook(name))
    with torch.no_grad():
        run(example)
    owners = Counter(id(getattr(m, "weight", None)) for _, m in model.named_modules(remove_duplicate=False))
    for name, site in found.items():
        if owners[id(site.layer.weight)] > 1 or calls[name] > 1:
            found[name] = replace(site, whole="shared")
        elif getattr(site.layer, "groups", 1) > 1:
            found[name] = replace(site, whole="grouped")
        elif isinstance(model.get_submodule(name.rpartition(".")[0]), factors.Pair):
            found[name] = replace(site, whole="a factor already")
        elif not name or not factors.plain(site.layer):
            found[name] = replace(site, whole="not an ordinary layer")
    able = [name for name, site in found.items() if not site.whole]
    passed = largest_passing(able, lambda names: _can_be_pairs(model, names, example))
    return found | {name: replace(found[name], whole="its network needs it") for name in able if name not in passed}


@torch.no_grad()
def _can_be_pairs(model: nn.Module, names: Sequence[str], example: Tensor) -> bool:
    """Return whether the network runs with pairs in the place of these layers, as it does with their products.

    Its own code may look into a layer, and would not find there what it looks for.
    """
    dense, pairs = clone(model).eval(), clone(model).eval()
    for name in names:
        layer = layers(dense)[name]
        form = factors.forms(layer)[-1]
        shapes = factors.shapes(layer, form, 1)
        weights = Factors(*(torch.full(shape, 1 / math.prod(shape[1:])).to(layer.weight) for shape in shapes))
        layer.weight.copy_(weights.product)
        substitute_(pairs, name, form, weights)
    try:
        got, wanted = pairs(example), dense(example)
    except Exception:  # a network's code may fail in any way; that is what is asked here
        return False
    return bool((got - wanted).abs().max() <= torch.finfo(got.dtype).eps ** 0.5 * wanted.abs().max())
