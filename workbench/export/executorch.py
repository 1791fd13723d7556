"""ExecuTorch: a program for phones and boards, whose convolutions and products run in XNNPACK.

https://docs.pytorch.org/executorch/ (1.5). The file is for one image at a time, as a device sees them.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, final

import torch
from torch import Tensor

from workbench.context import Progress
from workbench.errors import Refused
from workbench.export._extras import extra
from workbench.export.program import exported
from workbench.exporting import Format, Runner, Source
from workbench.registry import exports

_TITLE = "An ExecuTorch program"


@final
class ExecuTorch(Format):
    """A `.pte` file."""

    name = "executorch"
    title = "ExecuTorch program"
    summary = "A program for phones and boards without Python, run by XNNPACK on the processor: one image at a time."
    suffix = ".pte"
    runtime = "executorch"
    hurts_when = (
        "Weights are float32, whatever their bits, and rounding of activations is a few extra operations. It needs the "
        "extra executorch, which is large."
    )

    def write(self, source: Source, path: Path) -> None:
        lowering = extra("executorch.exir", _TITLE, "executorch")
        xnnpack = extra("executorch.backends.xnnpack.partition.xnnpack_partitioner", _TITLE, "executorch")
        program = exported(source.model, source.example[:1], dynamic=False)
        source.report(Progress(0.3, "lowering to ExecuTorch, which cannot be stopped half way"))
        try:
            lowered = lowering.to_edge_transform_and_lower(program, partitioner=[xnnpack.XnnpackPartitioner()])
            content = lowered.to_executorch().buffer
        except Exception as error:  # ExecuTorch has no class of its own for what it cannot do
            said = str(error).strip().partition("\n")[0][:300]
            raise Refused(
                f"ExecuTorch does not have what this network needs ({type(error).__name__}: {said}): take ONNX instead"
            ) from error
        path.write_bytes(content)

    def load(self, path: Path, source: Source) -> Runner:
        runtime = extra("executorch.runtime", _TITLE, "executorch")
        content = path.read_bytes()
        program = runtime.Runtime.get().load_program(content)
        method = program.load_method("forward")
        kept = (content, program)  # a method reads from both, and holds neither

        def one(image: Tensor) -> Tensor:
            (scores,) = method.execute([image[None].contiguous()])
            return scores.clone()  # type: ignore[no-any-return]  # its memory is written anew by the next run

        def run(images: Tensor, kept: tuple[Any, ...] = kept) -> Tensor:
            return torch.cat([one(image) for image in images])

        return run


exports.register(ExecuTorch())
