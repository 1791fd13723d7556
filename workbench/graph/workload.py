"""How much a network asks of a device, read from its graph (see `workbench.loads`)."""

from __future__ import annotations

import math
from collections import Counter

from torch import Tensor, nn

from workbench.graph.liveness import liveness, value_bytes
from workbench.graph.trace import Graph, Op
from workbench.loads import PRODUCTS, Load, Workload
from workbench.network import weight_format

_BLOCK = 16
"""Channels that wide vector units take at a time."""


def workload(model: nn.Module, graph: Graph) -> Workload:
    """Return what one pass of a network asks for; the graph must be of this network and of one image."""
    modules = dict(model.named_modules())
    tensors = {**dict(model.named_parameters()), **dict(model.named_buffers())}
    readers = Counter(value for op in graph.ops for value in op.inputs) + Counter(graph.outputs)
    loads = tuple(_load(op, graph, modules, tensors, readers) for op in graph.ops)
    return Workload(loads=loads, peak_bytes=liveness(graph).peak_bytes)


def _load(
    op: Op, graph: Graph, modules: dict[str, nn.Module], tensors: dict[str, Tensor], readers: Counter[int]
) -> Load:
    read, made = ([graph.values[value] for value in values] for values in (op.inputs, op.outputs))
    reads, writes = (sum(value.elements for value in values) for values in (read, made))
    main = next((name for name in op.weights if op.kind in PRODUCTS and tensors[name].ndim > 1), None)
    grid = None if main is None else weight_format(modules[main.rpartition(".")[0]]).grid
    others = [tensors[name] for name in op.weights if name != main]
    if op.kind == "norm":  # folded or not, a scale and a shift are left of it
        others = others[:2]
    return Load(
        name=op.name,
        kind=op.kind,
        layer=op.layer,
        macs=op.macs,
        elements=max(reads, writes),
        padded_macs=_padded(op, None if main is None else tensors[main]),
        bytes_moved=sum(map(value_bytes, (*read, *made))),
        parameters=op.weights,
        weights=0 if main is None else tensors[main].numel(),
        other_weights=sum(tensor.numel() for tensor in others),
        weight_bits=32 if grid is None else grid.spec.bits,
        whole_codes=grid is None or grid.spec.kind == "uniform",
        activation_bits=max((value.bits for value in read), default=32),
        two_four=main is not None and _two_four(tensors[main], modules[main.rpartition(".")[0]]),
        folded=_folded(op, graph, readers),
    )


def _folded(op: Op, graph: Graph, readers: Counter[int]) -> bool:
    """A view; or what works number by number on the one output of an operator, which nobody else reads."""
    read, made = ([graph.values[value] for value in values] for values in (op.inputs, op.outputs))
    if op.kind == "move":
        return bool(made) and {value.storage for value in made} <= {value.storage for value in read}
    alone = len(read) == 1 and read[0].producer is not None and readers[read[0].id] == 1
    return op.kind in ("norm", "elementwise") and alone


def _padded(op: Op, weight: Tensor | None) -> int:
    if weight is None or not op.macs:
        return op.macs
    out, into = weight.shape[:2]
    if op.kind == "depthwise":
        return op.macs * _blocks(out) // out
    return op.macs * _blocks(out) * _blocks(into) // (out * into)


def _blocks(channels: int) -> int:
    return math.ceil(channels / _BLOCK) * _BLOCK


def _two_four(weight: Tensor, layer: nn.Module) -> bool:
    if weight_format(layer).mask is None or weight.shape[1] % 4:
        return False
    rows = weight.movedim(1, -1).reshape(-1, 4)
    return bool((rows.ne(0).sum(1) <= 2).all())
