"""Activation quantization: what a layer reads is rounded to one of a few values, as integer arithmetic would."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, final

from torch import Tensor, nn

from workbench.activations import ActivationFormat, round_inputs_, round_outputs_
from workbench.context import Context
from workbench.network import clone
from workbench.recipe import Choice, Layers, PerLayer, Step, Switch
from workbench.reconstruction import patches
from workbench.registry import techniques
from workbench.techniques import _activation_ranges as ranges
from workbench.techniques._activation_ranges import Bounds, Inputs
from workbench.techniques._activation_samples import compressible, sampled_inputs, sampled_outputs
from workbench.techniques._additions import operands
from workbench.techniques._mean_correction import mean_corrected
from workbench.techniques._notes import listed
from workbench.techniques._own_settings import own_settings
from workbench.techniques._whole_biases import round_biases_

_BITS = Choice(2, 3, 4, 5, 6, 7, 8, 16, 32, help="bits for each activation; 16 is half precision, 32 changes nothing")
_ADDITION_BITS = 8
"""Residual networks add up what they know: fewer bits lose it, and no runtime is faster with them."""
_METHODS = Choice("mse", "output", "entropy", "percentile", "minmax", help="what the range of a layer is chosen by")


@techniques.register
@final
@dataclass(frozen=True, kw_only=True)
class ActivationBits(Step):
    """Round the inputs of each layer to a uniform grid whose range is calibrated on 256 images.

    The ranges come from one pass through the network as it is, unrounded: on ResNet-20, ranges measured behind layers
    that are rounded already were no better, and worse below 4 bits. `mse` minimises the error of what a layer reads,
    `entropy` the divergence of its histograms, `percentile` cuts off a fixed share, `minmax` nothing. `output`
    minimises the error of what the layer puts out, which pays below 5 bits and takes a second. Biases may then be
    corrected, in a further pass, so that the outputs of each layer keep their means.

    `additions` also rounds the operands of additions of feature maps, in residual networks: to the grid of the layer
    that reads the same values where it has 8 bits, else to 8 bits of their own. A runtime can only stay with whole
    numbers from one layer to the next where these are rounded, which is most of the speed of 8 bits there.

    Where the weights lie on a grid already, biases become whole numbers of products of code and code (see
    `_whole_biases`), so that an exported file computes what the preview does.

    A layer that the images do not reach stays free, and is named.
    """

    name = "activation_bits"
    title = "Activation bits"
    summary = (
        "Rounds what each layer reads to 2^bits values, so that chips can multiply small whole numbers and move fewer "
        "bytes; activations are not stored, so the file does not get smaller."
    )
    paper = (
        "Nagel et al. 2021 (ranges, mse, bias correction), https://arxiv.org/abs/2106.08295; output: Wu et al. 2020, "
        "https://arxiv.org/abs/2006.16669; entropy, percentile: Wu et al. 2020, https://arxiv.org/abs/2004.09602"
    )
    hurts_when = (
        "Below 6 bits without training afterwards, and where a few large activations stretch the range of all others. "
        "It only pays on hardware with integer arithmetic, and with weights of 8 bits or less."
    )
    order = 45
    approximates = True
    flags = {"activations": "bits"}

    bits: Annotated[int, _BITS] = 8
    method: Annotated[str, _METHODS] = "mse"
    coverage: Annotated[
        float, Choice(0.99, 0.999, 0.9999, 0.99999, help="share of the values below the end of the range; percentile")
    ] = 0.9999
    first_last: Annotated[bool, Switch("the first and the last layer keep 8 bits at least")] = True
    correct: Annotated[bool, Switch("correct biases so that each layer keeps the mean of its outputs")] = False
    additions: Annotated[
        bool, Switch("round what is added to each other too, to 8 bits, as integer runtimes do; residual networks")
    ] = True
    layers: Annotated[Layers, PerLayer(_BITS, "bits of their own for some layers")] = ()

    def apply(self, model: nn.Module, ctx: Context) -> nn.Module:
        result = clone(model).eval()
        own = own_settings(self.name, self.layers, compressible(result))
        if {self.bits, *own.values()} == {32}:
            return result
        key = f"{ctx.reference_key}/{ctx.key_of(model)}"
        formats = ctx.cache.get(f"activation formats/{key}/{self!r}", lambda: self._formats(result, ctx, key))
        for name, layer in compressible(result).items():
            if (form := formats.get(name)) is not None:
                round_inputs_(layer, form)
        if self.additions and self.bits < 16:
            added = ctx.cache.get(f"output formats/{key}/{self!r}", lambda: self._added(result, ctx, key, formats))
            for name, form in added.items():
                round_outputs_(result.get_submodule(name), form)
        if free := [name for name in compressible(result) if name not in formats]:
            ctx.note(f"activations left free, because the calibration images do not reach them: {listed(free)}")
        result = mean_corrected(result, ctx) if self.correct else result
        round_biases_(result, ctx.example)
        return result

    def _formats(self, model: nn.Module, ctx: Context, key: str) -> dict[str, ActivationFormat | None]:
        """Return the format of each layer that is reached; None where it stays as it is."""
        rows = self.method == "output"
        seen = ctx.cache.get(f"activations/{key}/{rows}", lambda: sampled_inputs(model, ctx, rows=rows))
        own, found, ends = dict(self.layers), compressible(model), {*list(seen)[:1], *list(seen)[-1:]}
        formats: dict[str, ActivationFormat | None] = {}
        for name, inputs in seen.items():
            bits = own.get(name, max(self.bits, 8) if self.first_last and name in ends else self.bits)
            weight = patches.as_rows(found[name], found[name].weight)
            bounds = self._bounds(inputs, weight, bits) if bits < 16 else inputs.bounds
            formats[name] = None if bits == 32 else ActivationFormat.spanning(*bounds, bits)
        return formats

    def _added(
        self, model: nn.Module, ctx: Context, key: str, formats: Mapping[str, ActivationFormat | None]
    ) -> dict[str, ActivationFormat]:
        """Return the format of each module whose outputs are added to other feature maps."""
        found = ctx.cache.get(f"operands/{key}", lambda: operands(model, ctx.example))
        seen = ctx.cache.get(f"outputs/{key}", lambda: sampled_outputs(model, ctx, found))
        added = {}
        for name, readers in found.items():
            known = (formats.get(reader) for reader in readers)
            form = next((form for form in known if form is not None and form.bits == _ADDITION_BITS), None)
            if form is None:
                form = ActivationFormat.spanning(*self._bounds(seen[name], None, _ADDITION_BITS), _ADDITION_BITS)
            added[name] = form
        return added

    def _bounds(self, inputs: Inputs, weight: Tensor | None, bits: int) -> Bounds:
        match self.method:
            case "mse":
                return ranges.mse(inputs, bits)
            case "output" if weight is not None:
                return ranges.output(inputs, weight, bits)
            case "output":
                return ranges.mse(inputs, bits)
            case "entropy":
                return ranges.entropy(inputs, bits)
            case "percentile":
                return ranges.percentile(inputs, self.coverage)
        return inputs.bounds
