"""Rounded activations as operators of ONNX, in the place of the marks that `_onnx_trace` left.

In front of weights that are codes, and in a network whose weights all are, these are QuantizeLinear and
DequantizeLinear; with fewer than 8 bits the codes are clipped in between, as bytes, so that runtimes still find a
QuantizeLinear behind each layer. Elsewhere it is plain arithmetic,

    clip(round(x / scale), lowest, highest) * scale

because onnxruntime (seen in 1.31) takes a QuantizeLinear beside float32 weights as a wish to have these rounded too,
to 8 bits with one scale, and other numbers would come out. Halves are clipped and cast to float16 and back.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import nn

from workbench.activations import ActivationFormat, activation_formats, output_formats
from workbench.export._onnx_edit import Editor
from workbench.export._onnx_trace import DOMAIN, PUTS_OUT, READS, ROUNDED

if TYPE_CHECKING:
    import onnx_ir as ir


def round_(model: ir.Model, network: nn.Module) -> None:
    """Put operators of ONNX in the place of all marks, in place; readers of one value in one format share them."""
    formats = {READS: activation_formats(network), PUTS_OUT: output_formats(network)}
    graph, editor = model.graph, Editor(model.graph)
    known: dict[tuple[ir.Value | None, ActivationFormat, bool], ir.Value] = {}
    coded = all(map(_has_codes, filter(_has_weights, graph)))
    for mark in list(graph):
        if (mark.domain, mark.op_type) != (DOMAIN, ROUNDED):
            continue
        layer, side = mark.attributes.get_string("layer", ""), mark.attributes.get_string("side", "")
        readers = [use.node for use in mark.outputs[0].uses()]
        whole = coded or (side == READS and all(map(_has_codes, readers)))
        x, form = mark.inputs[0], formats[side][layer]
        if (x, form, whole) not in known:
            known[x, form, whole] = _rounded(editor, mark, layer, form, whole=whole)
        mark.outputs[0].replace_all_uses_with(known[x, form, whole], replace_graph_outputs=True)
        graph.remove(mark, safe=True)
    model.opset_imports.pop(DOMAIN, None)


def _has_weights(node: ir.Node) -> bool:
    return node.op_type in ("Conv", "Gemm", "MatMul", "ConvTranspose")


def _has_codes(node: ir.Node) -> bool:
    """Return whether it computes with weights that are codes."""
    weight = node.inputs[1] if _has_weights(node) else None
    decoder = weight.producer() if weight is not None else None
    return decoder is not None and decoder.op_type == "DequantizeLinear"


def _rounded(editor: Editor, mark: ir.Node, layer: str, form: ActivationFormat, *, whole: bool) -> ir.Value:
    import onnx_ir as ir

    x = mark.inputs[0]

    def put(operator: str, *inputs: ir.Value | None, **attributes: int) -> ir.Value:
        return editor.before(mark, operator, inputs, layer, **attributes)

    def constant(name: str, value: float, kind: torch.dtype = torch.float32) -> ir.Value:
        return editor.constant(f"{layer}.activation.{name}", torch.tensor(value, dtype=kind))

    if form.bits == 16:
        largest = torch.finfo(torch.float16).max  # beyond it halves are infinite
        clipped = put("Clip", x, constant("low", -largest), constant("high", largest))
        return put("Cast", put("Cast", clipped, to=ir.DataType.FLOAT16), to=ir.DataType.FLOAT)
    scale = constant("scale", form.scale)
    if not whole:
        steps = put("Round", put("Div", x, scale))
        return put("Mul", put("Clip", steps, constant("low", form.lowest), constant("high", form.highest)), scale)
    zero = constant("zero", form.zero, torch.uint8)
    codes = put("QuantizeLinear", x, scale, zero)
    if form.bits < 8:
        codes = put("Clip", codes, constant("low", 0, torch.uint8), constant("high", (1 << form.bits) - 1, torch.uint8))
    return put("DequantizeLinear", codes, scale, zero)
