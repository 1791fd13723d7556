"""Weights as whole numbers: what lies on a grid becomes codes, and the operators that decode them.

    uniform grids       codes -> DequantizeLinear: (code - zero) * scale, as our own grids say
    halves              float16 -> Cast
    codebooks           codes -> Gather of the levels
    powers of two       codes -> Gather of 2^k, then times the scale of the channel

Only what decodes to the weights bit for bit is written so; other weights stay float32. The gain of a batch norm that
was folded goes into the scale of its channel, so that codes stay what they are. Where it is negative, codes change
their sign, because the scales of runtimes are positive; where it is zero, so are the weights.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from workbench.export._onnx_edit import Editor
from workbench.export._onnx_norms import Folded
from workbench.export._slots import sharing, slots
from workbench.export._tensors import same_bits
from workbench.grid import Grid
from workbench.network import FREE, weight_format

if TYPE_CHECKING:
    import onnx_ir as ir

NARROW = 4
"""Bits up to which codes are stored two to a byte."""


@dataclass(frozen=True)
class Linear:
    """Weights as `(codes - zero) * scale`: int16 codes, float32 scale and zero [out] or [1]."""

    codes: Tensor
    scale: Tensor
    zero: Tensor
    bits: int
    signed: bool

    def times(self, gain: Tensor) -> Linear:
        """Return the weights times the gain of each output channel."""
        scale, zero = (values.expand(len(gain)) for values in (self.scale, self.zero))
        scaled = scale.double() * gain.abs()
        dead, turned = scaled < torch.finfo(torch.float32).tiny, gain < 0
        flipped = -self.codes if self.signed else (1 << self.bits) - 1 - self.codes
        if not self.signed:
            zero = torch.where(turned, (1 << self.bits) - 1 - zero, zero)
        wide = [-1, *[1] * (self.codes.ndim - 1)]
        codes = torch.where(turned.view(wide), flipped, self.codes)
        codes = torch.where(dead.view(wide), zero.view(wide).to(codes.dtype), codes)
        return replace(self, codes=codes, scale=torch.where(dead, 1.0, scaled).float(), zero=zero)


def coded_weights(model: nn.Module) -> dict[str, tuple[Grid, Tensor]]:
    """Return grid and codes of each weight that lies on a grid, under every name of the weight."""
    found = {}
    for places in sharing(slots(model)):
        formats = (weight_format(slot.module) for slot in places.values() if slot.is_layer_weight)
        grid = next((form for form in formats if form is not FREE), FREE).grid
        weight = next(iter(places.values())).tensor.detach().cpu()
        if grid is None or weight.dtype != torch.float32:
            continue
        codes = (grid := grid.to("cpu")).encode(weight)
        if same_bits(grid.decode(codes), weight):
            found.update(dict.fromkeys(places, (grid, codes)))
    return found


def code_weights_(
    graph: ir.Graph, weights: Mapping[str, tuple[Grid, Tensor]], folded: Mapping[str, Folded]
) -> list[str]:
    """Put codes in the place of weights, in place; return the names of the parameters that became codes."""
    editor, done = Editor(graph), []
    for name, value in list(graph.initializers.items()):
        origin = folded.get(name)
        parameter = origin.parameter if origin else name
        if parameter in weights and value.uses():
            grid, codes = weights[parameter]
            layer = parameter.rpartition(".")[0]
            gain = origin.gain if origin else None
            for use in list(value.uses()):
                if _transposes(use.node) and grid.spec.kind == "uniform" and grid.spec.bits < 16:
                    turned = _decoded(editor, layer, grid, codes, gain, turned=True)
                    use.node.outputs[0].replace_all_uses_with(turned)
            value.replace_all_uses_with(_decoded(editor, layer, grid, codes, gain))
            done.append(parameter)
    return done


def _transposes(node: ir.Node) -> bool:
    """Return whether it only turns a matrix, as it is done to the weights of linear layers of more than one row."""
    return node.op_type == "Transpose" and tuple(node.attributes.get_ints("perm", ())) == (1, 0)


def _decoded(
    editor: Editor, layer: str, grid: Grid, codes: Tensor, gain: Tensor | None, *, turned: bool = False
) -> ir.Value:
    """Return the weights as the graph computes them from codes; `turned` is for matrices of a uniform grid."""
    if grid.spec.kind == "uniform" and grid.spec.bits < 16:
        whole = Linear(codes, grid.scale, grid.zero, grid.spec.bits, signed=grid.spec.lowest < 0)
        return _dequantized(editor, layer, whole if gain is None else whole.times(gain), turned=turned)
    values, scale = _looked_up(editor, layer, grid, codes)
    if gain is not None:
        scale = gain if scale is None else scale.double() * gain
    if scale is None:
        return values
    wide = editor.constant(f"{layer}.scale", scale.float().view(-1, *[1] * (codes.ndim - 1)))
    return editor.first("Mul", [values, wide], layer)


def _looked_up(editor: Editor, layer: str, grid: Grid, codes: Tensor) -> tuple[ir.Value, Tensor | None]:
    """Return the weights up to their scale, and the scale."""
    import onnx_ir as ir

    if grid.spec.bits == 16:
        halves = editor.constant(f"{layer}.halves", codes.view(torch.float16))
        return editor.first("Cast", [halves], layer, to=ir.DataType.FLOAT), None
    if grid.spec.kind == "codebook":
        table, scale = torch.cat((torch.zeros(1), grid.levels)), None
    else:
        unit = Grid(grid.spec, torch.ones(1), torch.zeros(1))
        table, scale = unit.decode(torch.arange(grid.spec.lowest, grid.spec.highest + 1, dtype=torch.int16)), grid.scale
    stored = editor.constant(
        f"{layer}.codes", (codes - grid.spec.lowest).to(torch.uint8), 4 if len(table) <= 1 << NARROW else 8
    )
    indices = editor.first("Cast", [stored], layer, to=ir.DataType.INT32)
    return editor.first("Gather", [editor.constant(f"{layer}.levels", table), indices], layer, axis=0), scale


def _dequantized(editor: Editor, layer: str, weights: Linear, *, turned: bool) -> ir.Value:
    """Return the weights as DequantizeLinear: one scale and zero point for all, or one for each output channel."""
    kind = torch.int8 if weights.signed else torch.uint8
    width = 4 if weights.bits <= NARROW else 8
    each = len(weights.scale) > 1
    scale, zero = (x if each else x.squeeze() for x in (weights.scale, weights.zero.to(kind)))
    inputs = [
        editor.constant(f"{layer}.codes", (weights.codes.T if turned else weights.codes).to(kind), width),
        editor.constant(f"{layer}.scale", scale),
        editor.constant(f"{layer}.zero", zero, width),
    ]
    return editor.first("DequantizeLinear", inputs, layer, **({"axis": int(turned)} if each else {}))
