"""Batch norms as part of the convolution or linear layer before them.

w' = w * gain        b' = (b - mean) * gain + shift        gain = gamma / sqrt(variance + epsilon)
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from torch import Tensor

from workbench.export._onnx_edit import Editor, content

if TYPE_CHECKING:
    import onnx_ir as ir


@dataclass(frozen=True)
class Folded:
    """What became of a weight: the name of the parameter, and the gain of each output channel, float64 [out]."""

    parameter: str
    gain: Tensor


def fold_norms_(graph: ir.Graph) -> dict[str, Folded]:
    """Fold each batch norm that alone reads what a layer puts out, in place; return the new weights by name."""
    made = {}
    for norm in list(graph):
        before = norm.inputs[0].producer() if norm.op_type == "BatchNormalization" and norm.inputs[0] else None
        numbers = [content(value) for value in norm.inputs[1:]]
        if before is None or not _foldable(before) or any(number is None for number in numbers):
            continue
        gamma, shift, mean, variance = (number.double() for number in numbers if number is not None)
        gain = gamma / (variance + norm.attributes.get_float("epsilon", 1e-5)).sqrt()
        name, folded = _fold_(Editor(graph), before, gain, shift - mean * gain)
        made[name] = folded
        norm.outputs[0].replace_all_uses_with(before.outputs[0])
        graph.remove(norm, safe=True)
    return made


def _foldable(node: ir.Node) -> bool:
    """Return whether it is a layer with constant weights [out, ...] whose outputs nobody else reads."""
    if node.op_type not in ("Conv", "Gemm") or any(content(value) is None for value in node.inputs[1:] if value):
        return False
    plain = [node.attributes.get_float("alpha", 1.0), node.attributes.get_float("beta", 1.0)] == [1.0, 1.0]
    upright = node.op_type == "Conv" or node.attributes.get_int("transB", 0) == 1
    return plain and upright and len(node.outputs[0].uses()) == 1 and not node.outputs[0].is_graph_output()


def _fold_(editor: Editor, node: ir.Node, gain: Tensor, shift: Tensor) -> tuple[str, Folded]:
    layer, old = node.metadata_props["layer"], node.inputs[1]
    weight, bias = content(old), content(node.inputs[2]) if len(node.inputs) > 2 else None
    if weight is None or old is None or old.name is None:
        raise ValueError("a layer without constant weights was taken for one with them")
    scaled = weight.double() * gain.view(-1, *[1] * (weight.ndim - 1))
    new = editor.constant(f"{layer}.folded.weight", scaled.float())
    node.resize_inputs(3)
    node.replace_input_with(1, new)
    total = shift if bias is None else bias.double() * gain + shift
    node.replace_input_with(2, editor.constant(f"{layer}.folded.bias", total.float()))
    return str(new.name), Folded(old.name, gain)
