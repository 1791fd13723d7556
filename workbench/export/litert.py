"""LiteRT, formerly TensorFlow Lite: a flat file for phones, microcontrollers and the Coral Edge TPU.

https://ai.google.dev/edge/litert (litert-torch 0.10, formerly ai-edge-torch). The file is for one image at a time, laid
out as in PyTorch: channels before height and width.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import final

import torch
from torch import Tensor

from workbench.context import Progress
from workbench.errors import Refused
from workbench.export._extras import extra
from workbench.exporting import Format, Runner, Source
from workbench.network import clone
from workbench.registry import exports

_TITLE = "A LiteRT file"


@final
class LiteRT(Format):
    """A `.tflite` file."""

    name = "litert"
    title = "LiteRT (TensorFlow Lite)"
    summary = "A flat file for phones and microcontrollers, run by LiteRT on the processor: one image at a time."
    suffix = ".tflite"
    runtime = "ai_edge_litert"
    hurts_when = (
        "Weights are float32, whatever their bits, and rounding of activations is a few extra operations. It needs the "
        "extra litert, which is large."
    )

    def write(self, source: Source, path: Path) -> None:
        os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
        converter = extra("litert_torch", _TITLE, "litert")
        source.report(Progress(0.3, "converting to LiteRT, which cannot be stopped half way"))
        try:
            with torch.no_grad():
                converter.convert(clone(source.model).eval(), (source.example[:1],)).export(str(path))
        except OSError:
            raise
        except Exception as error:  # the converter has no class of its own for what it cannot do
            said = str(error).strip().partition("\n")[0][:300]
            raise Refused(
                f"LiteRT does not have what this network needs ({type(error).__name__}: {said}): take ONNX instead"
            ) from error

    def load(self, path: Path, source: Source) -> Runner:
        runtime = extra("ai_edge_litert.interpreter", _TITLE, "litert")
        interpreter = runtime.Interpreter(model_content=path.read_bytes(), num_threads=1)
        interpreter.allocate_tensors()
        (read,), (put,) = interpreter.get_input_details(), interpreter.get_output_details()

        def one(image: Tensor) -> Tensor:
            interpreter.set_tensor(read["index"], image[None].contiguous().numpy())
            interpreter.invoke()
            return torch.from_numpy(interpreter.get_tensor(put["index"]).copy())

        def run(images: Tensor) -> Tensor:
            return torch.cat([one(image) for image in images])

        return run


exports.register(LiteRT())
