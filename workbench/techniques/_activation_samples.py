"""One pass over calibration images that collects what arrives at layers, or what modules put out, in bounded memory."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor, nn

from workbench.activations import exact_activations
from workbench.context import Context, Progress
from workbench.errors import Refused
from workbench.network import Layer, clone
from workbench.reconstruction import patches
from workbench.techniques._activation_ranges import Inputs

_IMAGES = 256
_CHUNK = 32
_VALUES = 1 << 16
"""How many values of a layer are kept: 256 KB."""
_ROWS = 512
_ROW_VALUES = 1 << 20
"""How many patches of a layer are kept, and how many numbers in them: at most 4 MB."""
_KNOWN = {kind.forward for kind in (nn.Linear, nn.Conv1d, nn.Conv2d, nn.Conv3d)}


def compressible(model: nn.Module) -> dict[str, Layer]:
    """Return all layers by name, also those that share a weight: each reads inputs of its own."""
    return {name: module for name, module in model.named_modules() if isinstance(module, Layer)}


def sampled_inputs(model: nn.Module, ctx: Context, *, rows: bool) -> dict[str, Inputs]:
    """Return what arrives at each layer, unrounded, in the order in which they first run; unreached ones are missing.

    `rows` asks for patches too. Raises `Refused` where there is no image, or for values that are NaN or infinite.
    """
    count = min(_IMAGES, len(ctx.calibration))
    if count < 1:
        raise Refused("ranges of activations need at least 1 calibration image, got none")
    network = clone(model).eval()
    taken: dict[str, _Taken] = {}
    for name, layer in compressible(network).items():
        layer.register_forward_hook(_hook(name, taken, count, ctx, rows=rows))
    _look(network, count, ctx)
    return {name: found.inputs() for name, found in taken.items()}


def sampled_outputs(model: nn.Module, ctx: Context, names: Iterable[str]) -> dict[str, Inputs]:
    """Return what these modules put out, unrounded. Raises `Refused` as `sampled_inputs` does."""
    count = min(_IMAGES, len(ctx.calibration))
    network = clone(model).eval()
    taken = {name: _Taken(name, count, ctx.generator("outputs", name), rows=False) for name in names}
    for name, found in taken.items():
        network.get_submodule(name).register_forward_hook(found.keep)
    _look(network, count, ctx)
    return {name: found.inputs() for name, found in taken.items()}


def _look(network: nn.Module, count: int, ctx: Context) -> None:
    """Run the network, whose hooks collect what they want, on the first `count` calibration images."""
    chunks = torch.arange(count).split(_CHUNK)
    with torch.no_grad(), exact_activations():
        for number, chunk in enumerate(chunks):
            network(ctx.calibration.inputs(chunk))
            ctx.report(Progress((number + 1) / len(chunks), "looking at activations"))


class _Taken:
    """Collects the inputs of one layer."""

    def __init__(self, name: str, images: int, generator: torch.Generator, *, rows: bool) -> None:
        self._name, self._images, self._generator, self._wants_rows = name, images, generator, rows
        self._low, self._high = math.inf, -math.inf
        self._values: list[Tensor] = []
        self._rows: list[Tensor] = []

    def add(self, layer: Layer, x: Tensor, output: Tensor) -> None:
        """Add what arrived at one call."""
        self._add(x, "reads")
        if self._wants_rows and type(layer).forward in _KNOWN:
            most = min(_ROWS, _ROW_VALUES // layer.weight[0].numel() // patches.groups(layer))
            chosen = patches.positions(layer, output, max(1, most // self._images), self._generator)
            self._rows.append(patches.inputs_at(layer, x, chosen))

    def keep(self, _module: nn.Module, _inputs: Any, output: Tensor) -> None:
        """Add what was put out at one call: a forward hook."""
        self._add(output, "puts out")

    def inputs(self) -> Inputs:
        """Return what was collected."""
        values = self._some(torch.cat(self._values), _VALUES)  # a layer that is called often has more
        rows = torch.cat(self._rows, 1) if self._rows else None
        return Inputs(self._low, self._high, values.float().cpu().sort().values, rows)

    def _add(self, x: Tensor, verb: str) -> None:
        low, high = (float(end) for end in x.aminmax())
        if not math.isfinite(low + high):
            raise Refused(
                f"{self._name} {verb} values that are NaN or infinite on calibration images, so they have no range: "
                "train or load the network again"
            )
        self._low, self._high = min(self._low, low), max(self._high, high)
        share = _VALUES * min(_CHUNK, self._images) // self._images
        self._values.append(self._some(x.flatten(), share))

    def _some(self, flat: Tensor, count: int) -> Tensor:
        if len(flat) <= count:
            return flat
        return flat[torch.randint(len(flat), (count,), generator=self._generator).to(flat.device)]


def _hook(
    name: str, taken: dict[str, _Taken], images: int, ctx: Context, *, rows: bool
) -> Callable[[Layer, tuple[Any, ...], Any], None]:
    def after(layer: Layer, inputs: tuple[Any, ...], output: Any) -> None:
        x = inputs[0] if inputs else None
        if isinstance(x, Tensor) and x.is_floating_point() and x.numel():
            if name not in taken:
                taken[name] = _Taken(name, images, ctx.generator("activations", name), rows=rows)
            taken[name].add(layer, x, output)

    return after
