"""Weights whose zero point is not zero: integer kernels want symmetric ones, and run all others in float32."""

from __future__ import annotations

from collections.abc import Iterator
from typing import final

from workbench.activations import activation_formats
from workbench.diagnosing import Case, Finding, Reason, listed
from workbench.network import layers, weight_format
from workbench.registry import reasons
from workbench.result import Estimate

_PRODUCTS = frozenset({"Conv", "FusedConv", "Gemm", "FusedGemm", "MatMul", "FusedMatMul"})


@final
class Asymmetric(Reason):
    """Grids with a zero point of their own for each channel, in a network that is to run in integers."""

    name = "asymmetric"
    title = "Asymmetric weights stay in float32"
    summary = "Kernels for int8 take weights whose zero point is zero; all others are multiplied as floats."

    def look(self, case: Case) -> Iterator[Finding]:
        rounded = activation_formats(case.now)
        grids = {name: weight_format(layer).grid for name, layer in layers(case.now).items() if name in rounded}
        names = tuple(name for name, grid in grids.items() if grid is not None and bool((grid.zero != 0).any()))
        if not names:
            return
        floats = sum(node.ms for node in case.nodes.get("onnx-int8", ()) if node.operator in _PRODUCTS)
        yield Finding(
            reason=self.name,
            title=self.title,
            sentence=(
                f"{len(names)} of {len(grids)} layers that read rounded activations have weights on an asymmetric grid "
                f"({listed(names)}), for which onnxruntime has no integer kernels"
            ),
            advice="turn on `symmetric` in Weight bits: at 8 bits it costs next to no accuracy",
            ms=Estimate(value=floats, low=0.0, high=floats, how="measured", unit="ms") if floats else None,
            layers=names,
        )


reasons.register(Asymmetric())
