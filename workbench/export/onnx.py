"""ONNX in float32: the file that most tools read."""

from __future__ import annotations

from pathlib import Path
from typing import final

from workbench.export import _onnx_file, _onnx_run
from workbench.exporting import Format, Runner, Source
from workbench.registry import exports


@final
class Onnx(Format):
    """Weights as float32; activations are rounded by plain arithmetic, so that the answers are those of the preview."""

    name = "onnx"
    title = "ONNX"
    summary = "The network as operators of ONNX with weights in float32, for any runtime that reads ONNX."
    suffix = ".onnx"
    runtime = "onnxruntime, one thread on the CPU"
    hurts_when = (
        "Weights take four bytes each whatever the recipe, so the file is as big as that of an unquantized network of "
        "this shape, and where activations are rounded the rounding costs time. Pruned weights are zeros that are "
        "multiplied like any others."
    )

    def write(self, source: Source, path: Path) -> None:
        _onnx_file.write(source, path, codes=False)

    def load(self, path: Path, source: Source) -> Runner:
        return _onnx_run.runner(path)


exports.register(Onnx())
