"""Editing a graph of ONNX operators: new constants and new operators, which carry the layer that they belong to."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, final

import torch
from torch import Tensor

if TYPE_CHECKING:
    import onnx_ir as ir


@final
class Editor:
    """Adds to a graph in place. Names of constants are made unique by a number."""

    def __init__(self, graph: ir.Graph) -> None:
        self.graph = graph

    def constant(self, name: str, content: Tensor, bits: int = 8) -> ir.Value:
        """Return a new constant; whole numbers of 4 `bits` are stored two to a byte."""
        import onnx_ir as ir

        unique, number = name, 1
        while unique in self.graph.initializers:
            unique, number = f"{name}.{number}", number + 1
        tensor = ir.tensor(_array(content, bits), name=unique)
        value = ir.Value(
            name=unique, shape=ir.Shape(content.shape), type=ir.TensorType(tensor.dtype), const_value=tensor
        )
        self.graph.register_initializer(value)
        return value

    def before(
        self, place: ir.Node, operator: str, inputs: Sequence[ir.Value | None], layer: str, **attributes: Any
    ) -> ir.Value:
        """Return what a new operator puts out, which runs before another one."""
        import onnx_ir as ir

        node = ir.node(operator, inputs, attributes, metadata_props={"layer": layer})
        self.graph.insert_before(place, node)
        return node.outputs[0]

    def first(self, operator: str, inputs: Sequence[ir.Value | None], layer: str, **attributes: Any) -> ir.Value:
        """Return what a new operator puts out, which reads constants or what was put first before."""
        import onnx_ir as ir

        node = ir.node(operator, inputs, attributes, metadata_props={"layer": layer})
        producers = [value.producer() for value in inputs if value is not None]
        last = next((producer for producer in producers if producer is not None), None)
        if last is None:
            self.graph.insert_before(self.graph[0], node)
        else:
            self.graph.insert_after(last, node)
        return node.outputs[0]


def content(value: ir.Value | None) -> Tensor | None:
    """Return a constant of the graph; None for what is computed, and for inputs that are left out."""
    if value is None or value.const_value is None or value.is_graph_input():
        return None
    return torch.from_numpy(value.const_value.numpy().copy())


def _array(content: Tensor, bits: int) -> Any:
    array = content.detach().cpu().contiguous().numpy()
    if bits != 4:
        return array
    import ml_dtypes

    return array.astype(ml_dtypes.int4 if content.dtype == torch.int8 else ml_dtypes.uint4)
