"""Weight quantization: each weight is rounded to the nearest of a few values."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, final

from torch import nn

from workbench.context import Context
from workbench.grid import Grid, GridSpec
from workbench.network import clone, hold_, layers
from workbench.recipe import Choice, Layers, PerLayer, Step, Switch
from workbench.registry import techniques
from workbench.techniques._own_settings import own_settings

_BITS = Choice(1, 2, 3, 4, 5, 6, 7, 8, 16, 32, help="bits for each weight; 16 is half precision, 32 changes nothing")


@techniques.register
@final
@dataclass(frozen=True, kw_only=True)
class WeightBits(Step):
    """Round the weights to the nearest point of a uniform grid that spans their range, and hold them there.

    Biases and batch norms stay in float32: they are few. Pruned weights stay zero, since zero is on every grid or, with
    one bit, kept by the mask.
    """

    name = "weight_bits"
    title = "Weight bits"
    summary = "Rounds every weight to one of 2^bits values; the file stores small whole numbers and a scale."
    paper = "Krishnamoorthi 2018, https://arxiv.org/abs/1806.08342; one bit: https://arxiv.org/abs/1603.05279"
    hurts_when = (
        "Below 4 bits when the network is not trained afterwards, with one scale for a whole layer whose channels "
        "differ much in range (depthwise convolutions), and in the first and the last layer."
    )
    order = 30
    flags = {"bits": "bits"}

    bits: Annotated[int, _BITS] = 8
    per_channel: Annotated[bool, Switch("a scale for each output channel, not one for the layer")] = True
    symmetric: Annotated[bool, Switch("a grid around zero; otherwise it spans the lowest to the highest weight")] = True
    layers: Annotated[Layers, PerLayer(_BITS, "bits of their own for some layers")] = ()

    def apply(self, model: nn.Module, ctx: Context) -> nn.Module:
        result = clone(model)
        found = layers(result)
        own = own_settings(self.name, self.layers, found)
        for name, layer in found.items():
            bits = own.get(name, self.bits)
            if bits < 32:
                spec = GridSpec(bits=bits, per_channel=self.per_channel, symmetric=self.symmetric)
                hold_(layer, grid=Grid.fit(layer.weight, spec))
        return result
