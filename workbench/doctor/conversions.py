"""Quantize and dequantize nodes: conversions between integers and floats that the integer file pays for."""

from __future__ import annotations

from collections.abc import Iterator
from typing import final

from workbench.diagnosing import Case, Finding, Reason, listed
from workbench.registry import reasons
from workbench.result import Estimate

_CONVERSIONS = frozenset({"QuantizeLinear", "DequantizeLinear", "DynamicQuantizeLinear", "Cast"})
_FLOAT = frozenset({"Conv", "FusedConv", "Gemm", "FusedGemm", "MatMul", "FusedMatMul"})
_MATTERS = 0.1
_WHOLE = (
    "give all layers 8-bit weights and 8-bit activations, so that the runtime can go from integer to integer, with "
    "symmetric weights, whose zero point is zero"
)
_SMALL = (
    "all products are integers already: the network is so small that converting its images and sums outweighs them; "
    "larger batches, or float32, are faster"
)


@final
class Conversions(Reason):
    """Nodes that only convert numbers, and products that still run in float32, in a file of integers."""

    name = "conversions"
    title = "Conversions between integers and floats"
    summary = "Where the runtime cannot fuse them, quantize and dequantize nodes pass over all numbers once more."

    def look(self, case: Case) -> Iterator[Finding]:
        for name, nodes in case.nodes.items():
            converting = [node for node in nodes if node.operator in _CONVERSIONS]
            if not converting:
                continue
            share = sum(node.ms for node in converting) / sum(node.ms for node in nodes)
            lane = case.speed.lane(name)
            whole = (
                lane.now.value if lane is not None else sum(node.ms for node in nodes)
            )  # profiling itself takes time
            spent = share * whole
            floats = tuple(node.name for node in nodes if node.operator in _FLOAT)
            if share < _MATTERS and not floats:
                continue
            still = f"; {len(floats)} products still run in float32 ({listed(floats)})" if floats else ""
            yield Finding(
                reason=self.name,
                title=self.title,
                sentence=(
                    f"of the file {name}, {len(converting)} nodes only convert numbers and take {spent:.2g} of "
                    f"{whole:.2g} ms ({100 * share:.0f} %){still}"
                ),
                advice=_WHOLE if floats else _SMALL,
                ms=Estimate(value=spent, low=0.0, high=spent, how="measured", unit="ms"),
                layers=(),
            )


reasons.register(Conversions())
