"""ONNX files in onnxruntime: on the CPU, with one thread, and all that its optimizer knows."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from workbench.errors import Refused
from workbench.export._onnx_packages import runtime
from workbench.exporting import Runner

_QUIET = 3
"""Of onnxruntime's severities: errors, which are raised anyway."""

_EXACT = ("session.x64quantprecision", "1")
"""Sums of int8 products that no 16 bits cut off, on x86 without VNNI: the default there is faster and wrong."""

_FLOAT = ("session.disable_quant_qdq", "1")
"""Codes are decoded and computed with in float32."""


def session(file: Path | bytes, threads: int = 1, *, profile: Path | None = None) -> Any:
    """Return an onnxruntime session of a file; raises `Refused` where this onnxruntime cannot run it.

    With a path for a profile, it writes what each node takes to a file beside it.
    """
    library = runtime()

    def started(*entries: tuple[str, str]) -> Any:
        options = library.SessionOptions()
        options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
        options.graph_optimization_level = library.GraphOptimizationLevel.ORT_ENABLE_ALL
        options.log_severity_level = _QUIET
        for entry in entries:
            options.add_session_config_entry(*entry)
        if profile is not None:
            options.enable_profiling, options.profile_file_prefix = True, str(profile)
        content = file if isinstance(file, bytes) else str(file)
        return library.InferenceSession(content, options, providers=["CPUExecutionProvider"])

    try:
        try:
            return started(_EXACT)
        except library.capi.onnxruntime_pybind11_state.Fail as error:
            if "replace the existing tensor" not in str(error):
                raise
            return started(_FLOAT)  # onnxruntime 1.31 cannot make the sums of layers exact that share their codes
    except Exception as error:  # a family of classes of its own, some of which are only RuntimeErrors
        said = str(error).strip().splitlines() or [type(error).__name__]
        raise Refused(
            f"onnxruntime {library.__version__} cannot run this file ({said[0][:300]}): update it, or export with "
            "other bits"
        ) from error


def runner(path: Path) -> Runner:
    """Return what runs a file of ours: images in, scores out."""
    running = session(path)
    name = running.get_inputs()[0].name

    def run(images: Tensor) -> Tensor:
        (scores,) = running.run(None, {name: images.detach().cpu().float().contiguous().numpy()})
        return torch.from_numpy(scores)

    return run
