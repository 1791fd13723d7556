"""From a network to an ONNX file: one order of work for both formats."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

from workbench.context import Progress
from workbench.errors import Refused
from workbench.export._onnx_norms import fold_norms_
from workbench.export._onnx_rounding import round_
from workbench.export._onnx_trace import traced
from workbench.export._onnx_weights import code_weights_, coded_weights
from workbench.exporting import Source

if TYPE_CHECKING:
    import onnx_ir as ir

_PRODUCER = "Downsizing Workbench"
_MOST_BYTES = 2**31 - 1
"""What one file of ONNX may hold."""
_FOLDED = 1 << 13
"""Constants of more numbers are not computed ahead: they are weights, and stay what they are called."""


def write(source: Source, path: Path, *, codes: bool) -> None:
    """Write the file; with `codes`, weights on a grid as whole numbers. Raises `Refused`."""
    import onnx
    import onnx_ir as ir

    model = traced(source)
    source.report(Progress(0.8, "folding batch norms"))
    _simplify_(model)
    folded = fold_norms_(model.graph)
    if codes:
        code_weights_(model.graph, coded_weights(source.model), folded)
    round_(model, source.model)
    _tidy_(model)
    _name_(model.graph)
    _sign_(model, source)
    source.report(Progress(0.9, "writing the file"))
    proto = ir.to_proto(model)
    if (size := proto.ByteSize()) > _MOST_BYTES:
        raise Refused(f"one ONNX file holds less than 2 GB, this network takes {size / 1e9:.1f} GB: quantize it first")
    onnx.checker.check_model(proto, full_check=True)
    path.write_bytes(proto.SerializeToString())
    source.report(Progress(1.0, "written"))


def _simplify_(model: ir.Model) -> None:
    """Compute ahead what depends on shapes and settings alone, in place."""
    from onnx_ir.passes import common
    from onnxscript import optimizer

    common.InlinePass()(model)
    optimizer.fold_constants(model, onnx_shape_inference=False, input_size_limit=_FOLDED)
    common.RemoveUnusedNodesPass()(model)
    common.LiftConstantsToInitializersPass(lift_all_constants=True, size_limit=0)(model)
    # Before there are codes: onnxruntime (1.31) refuses zero points that two layers share where it makes sums exact.
    common.DeduplicateInitializersPass()(model)


def _tidy_(model: ir.Model) -> None:
    """Remove what nobody reads and what is there twice, in place."""
    from onnx_ir.passes import common

    for each in (
        common.RemoveUnusedNodesPass(),
        common.CommonSubexpressionEliminationPass(),
        common.RemoveUnusedOpsetsPass(),
        common.TopologicalSortPass(),
    ):
        each(model)


def _name_(graph: ir.Graph) -> None:
    """Call each operator "/layer/Operator", so that a profile can be joined to layers, in place."""
    counts: Counter[str] = Counter()
    for node in graph:
        name = "/".join(("", *filter(None, (node.metadata_props.get("layer"), node.op_type))))
        counts[name] += 1
        node.name = name if counts[name] == 1 else f"{name}_{counts[name]}"
    for value in (*graph.inputs, *graph.outputs):
        if value.shape is not None and len(value.shape) and not isinstance(value.shape[0], int):
            value.shape = type(value.shape)(["batch", *value.shape[1:]])


def _sign_(model: ir.Model, source: Source) -> None:
    """Say who wrote the file, from what and how, in place."""
    from workbench import __version__

    model.producer_name, model.producer_version = _PRODUCER, __version__
    model.graph.name = "network"
    for key, plain in (("about", source.about), ("recipe", source.recipe)):
        model.metadata_props[key] = json.dumps(dict(plain), sort_keys=True)
