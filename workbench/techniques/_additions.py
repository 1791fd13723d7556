"""Where a network adds feature maps to each other, as residual networks do: which modules put out what is added.

A runtime that computes with whole numbers also adds whole numbers, so what comes in at an addition is rounded too, not
only what a convolution reads. Found are additions of two activations [N, C, ...] with three dimensions at least behind
the images, and of their operands those that some module puts out. What a function makes inside of a `forward` stays as
it is, and so does what a module puts out that runs more than once, since one grid would not fit all of its calls.
"""

from __future__ import annotations

from collections import Counter

from torch import Tensor, nn

from workbench.graph import Graph, Op, graph_of
from workbench.network import clone, layers


def operands(model: nn.Module, images: Tensor) -> dict[str, tuple[str, ...]]:
    """Return the modules whose outputs are added to another feature map, and the layers that read the same values."""
    graph, known = graph_of(clone(model).eval(), images), layers(model)
    calls = Counter(module for module, _ in graph.returned)
    source = {value: module for module, value in graph.returned if module}  # the last that put it out
    added = dict.fromkeys(value for op in graph.ops if _adds_maps(op, graph) for value in op.inputs)
    return {
        source[value]: tuple(op.layer for op in graph.ops if op.layer in known and value in op.inputs)
        for value in added
        if value in source and calls[source[value]] == 1
    }


def _adds_maps(op: Op, graph: Graph) -> bool:
    shapes = [graph.values[value].shape for value in op.inputs]
    return op.name == "add" and len(shapes) == 2 and shapes[0] == shapes[1] and len(shapes[0]) == 4
