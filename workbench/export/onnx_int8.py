"""ONNX with whole numbers: the codes and scales of the recipe, for runtimes with integer arithmetic."""

from __future__ import annotations

from pathlib import Path
from typing import final

from workbench.activations import activation_formats
from workbench.errors import Refused
from workbench.export import _onnx_file, _onnx_run
from workbench.export._onnx_weights import coded_weights
from workbench.exporting import Format, Runner, Source
from workbench.registry import exports


@final
class OnnxInt8(Format):
    """Static quantization in the QDQ form: https://onnxruntime.ai/docs/performance/model-optimizations/quantization.html.

    Weights are codes of 8 bits, or of 4 where these are enough, with a DequantizeLinear behind them; activations are
    rounded by QuantizeLinear. A runtime joins the two into integer arithmetic. onnxruntime then rounds each bias to a
    whole number of products of code and code, as Activation bits does where the weights are on their grid before it.
    """

    name = "onnx-int8"
    title = "ONNX int8"
    summary = (
        "The network as operators of ONNX with weights as small whole numbers, and activations too where the recipe "
        "rounds them."
    )
    suffix = ".onnx"
    runtime = "onnxruntime, one thread on the CPU"
    hurts_when = (
        "Only faster where weights of 8 bits lie on a symmetric grid (Weight bits with `symmetric`), activations have "
        "8 bits or fewer and additions are rounded (Activation bits with `additions`), on a CPU with integer dot "
        "products (VNNI on x86). With rounded weights alone the file is small and runs like float32; an asymmetric "
        "grid, or additions in float32, can be slower than that. Codes of fewer than 4 bits take 4, and pruned weights "
        "take as much room as the others. On x86 without VNNI onnxruntime cuts sums off at 16 bits unless a session "
        "sets session.x64quantprecision to 1, as this one does: without it, up to 5 answers in 100 were others."
    )

    def write(self, source: Source, path: Path) -> None:
        if not coded_weights(source.model) and not activation_formats(source.model):
            raise Refused(
                "nothing in this network is quantized, so there are no whole numbers to write: add the steps "
                "Weight bits (8, symmetric) and Activation bits (8) to the recipe, or export plain ONNX"
            )
        _onnx_file.write(source, path, codes=True)

    def load(self, path: Path, source: Source) -> Runner:
        return _onnx_run.runner(path)


exports.register(OnnxInt8())
