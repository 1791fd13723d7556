"""Bits that torch only simulates: its kernels compute in float32 whatever grid the numbers are on."""

from __future__ import annotations

from collections.abc import Iterator
from typing import final

from workbench.activations import activation_formats
from workbench.diagnosing import Case, Finding, Reason
from workbench.network import layers, weight_format
from workbench.registry import reasons
from workbench.timing.speed import TORCH


@final
class Simulated(Reason):
    """A network on grids that was timed in torch, where grids make no difference."""

    name = "simulated"
    title = "torch computes in float32"
    summary = "Fewer bits make the file smaller; torch's kernels still multiply float32 numbers."

    def look(self, case: Case) -> Iterator[Finding]:
        on_grid = [name for name, layer in layers(case.now).items() if weight_format(layer).grid is not None]
        if not on_grid or case.speed.lane(TORCH) is None:
            return
        rounded = len(activation_formats(case.now))
        integer = case.speed.lane("onnx-int8")
        seen = (
            f"; as an integer file it runs {integer.faster.value:.2f} times as fast as the original in onnxruntime"
            if integer is not None
            else ""
        )
        yield Finding(
            reason=self.name,
            title=self.title,
            sentence=(
                f"{len(on_grid)} layers have weights of few bits and {rounded} read rounded activations, but torch "
                f"multiplies float32 numbers all the same{seen}"
            ),
            advice=(
                "look at the times of the integer file, not at torch's"
                if rounded
                else "add 8-bit activations: integer kernels need both factors in integers"
            ),
            ms=None,
            layers=tuple(on_grid),
        )


reasons.register(Simulated())
