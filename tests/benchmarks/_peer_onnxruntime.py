"""onnxruntime: its quantizers, its file, its kernels (https://onnxruntime.ai/docs/performance/model-optimizations)."""

from __future__ import annotations

import copy
import io
import os
import tempfile
from dataclasses import replace
from pathlib import Path

import torch
from _peer_case import Case, Clock, Contender, Forward, Made, NotRun, reached

INPUT = "x"


def exported(case: Case) -> bytes:
    """Return the network as ONNX in float32 with batch norms folded: where every quantizer of ONNX starts."""
    file = io.BytesIO()
    torch.onnx.export(
        copy.deepcopy(case.model),
        (case.calibration[0][:2],),
        file,
        dynamo=False,
        opset_version=17,
        input_names=[INPUT],
        dynamic_axes={INPUT: {0: "n"}},
    )
    return file.getvalue()


def session(file: bytes) -> Forward:
    """Return a network in ONNX as a function, run with as many threads as torch has."""
    ort = library()
    options = ort.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = torch.get_num_threads()
    found = ort.InferenceSession(file, options, providers=["CPUExecutionProvider"])
    return lambda x: torch.from_numpy(found.run(None, {INPUT: x.numpy()})[0])


def library():
    """Import onnxruntime, which is not to tell anybody; raises `NotRun`."""
    os.environ["ORT_DISABLE_TELEMETRY"] = "1"
    try:
        import onnx  # noqa: F401  # its quantizers need it
        import onnxruntime
        import onnxruntime.quantization
    except ImportError as error:
        raise NotRun(f"not installed ({error.name}): pip install onnx onnxruntime") from None
    return onnxruntime


def _float(case: Case) -> Made:
    library()
    clock = Clock()
    file = exported(case)
    return Made(forward=session(file), file=file, seconds=clock.seconds)


def _static(case: Case) -> Made:
    quantization = library().quantization

    class Reader(quantization.CalibrationDataReader):
        """Batches of calibration images, once."""

        def __init__(self) -> None:
            self._batches = iter(case.calibration)

        def get_next(self):
            batch = next(self._batches, None)
            return None if batch is None else {INPUT: batch.numpy()}

    float32 = exported(case)
    with tempfile.TemporaryDirectory() as folder:
        before, after = _paths(folder, float32)
        clock = Clock()
        quantization.quantize_static(before, after, Reader(), per_channel=True)
        return _made(after.read_bytes(), clock)


def _dynamic(case: Case) -> Made:
    quantization = library().quantization
    float32 = exported(case)
    with tempfile.TemporaryDirectory() as folder:
        before, after = _paths(folder, float32)
        clock = Clock()
        quantization.quantize_dynamic(before, after, per_channel=True, weight_type=quantization.QuantType.QInt8)
        return _made(after.read_bytes(), clock)


def _blocks(case: Case, bits: int) -> Made:
    """Round matrix products block by block; convolutions have no such operator and stay in float32."""
    library()
    import onnx
    from onnxruntime.quantization.matmul_nbits_quantizer import DefaultWeightOnlyQuantConfig, MatMulNBitsQuantizer
    from onnxruntime.quantization.onnx_model import ONNXModel

    model = ONNXModel(onnx.load_from_string(exported(case)))
    clock = Clock()
    model.replace_gemm_with_matmul()  # it looks at no other operator
    quantizer = MatMulNBitsQuantizer(model.model, algo_config=DefaultWeightOnlyQuantConfig(block_size=32, bits=bits))
    quantizer.process()
    file = quantizer.model.model.SerializeToString()
    made = _made(file, clock)
    count = sum(node.op_type == "MatMulNBits" for node in quantizer.model.model.graph.node)
    return replace(made, note=reached(case, count))


def _paths(folder: str, file: bytes) -> tuple[Path, Path]:
    before, after = Path(folder, "before.onnx"), Path(folder, "after.onnx")
    before.write_bytes(file)
    return before, after


def _made(file: bytes, clock: Clock) -> Made:
    seconds = clock.seconds
    return Made(forward=session(file), file=file, seconds=seconds)


FLOAT = Contender(who="onnxruntime", how="float32, as exported", make=_float)
STATIC = Contender(who="onnxruntime", how="static QDQ, W8A8 per channel, min and max", make=_static)
DYNAMIC = Contender(who="onnxruntime", how="dynamic, weights 8 bits per channel, activations 8 bits", make=_dynamic)


def blocks(bits: int) -> Contender:
    """Return the weight-only quantizer for matrix products."""
    return Contender(
        who="onnxruntime", how=f"MatMulNBits, {bits} bits in blocks of 32", make=lambda case: _blocks(case, bits)
    )
