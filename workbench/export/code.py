"""The network as a page of Python and its weights: no part of this project is needed to run it, and no pickle.

The archive holds `model.py`, which defines exactly the slimmed network, `model.safetensors` with its weights, and a
`README.md` on how to run it. See `_tape` for how the code is found, `_script` and `_page` for how it is written, and
`_stored` for the weights.
"""

from __future__ import annotations

import io
import zipfile
from pathlib import Path
from typing import Any, final

import torch
from safetensors.torch import load, save
from torch import Tensor

from workbench.errors import Refused, reason
from workbench.export._page import page, readme
from workbench.exporting import Format, Runner, Source
from workbench.registry import exports

_WHEN = (1980, 1, 1, 0, 0, 0)
"""Of all files in the archive, so that equal networks give equal bytes."""


@final
class Code(Format):
    """A zip of `model.py`, `model.safetensors` and a README."""

    name = "code"
    title = "Python code"
    summary = "A page of PyTorch code that defines exactly the slimmed network, its weights as safetensors, a README."
    suffix = ".zip"
    runtime = "torch and safetensors"
    hurts_when = (
        "Pruned weights are kept as zeros, which the archive compresses but the computer multiplies with; weights of "
        "few bits are decoded to float32 when they are loaded. A network whose path depends on its input has no code."
    )

    def write(self, source: Source, path: Path) -> None:
        script, tensors = page(source)
        buffer = io.BytesIO()
        with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED, compresslevel=6) as archive:
            for name, content in (
                ("model.py", script.encode()),
                ("model.safetensors", save(tensors)),
                ("README.md", readme(source, script).encode()),
            ):
                archive.writestr(zipfile.ZipInfo(name, _WHEN), content, zipfile.ZIP_DEFLATED, 6)
        path.write_bytes(buffer.getvalue())

    def load(self, path: Path, source: Source) -> Runner:
        """Return what runs the code. It is run only if it is what `write` writes for this network."""
        script, _ = page(source)
        try:
            with zipfile.ZipFile(path) as archive:
                found, weights = archive.read("model.py"), archive.read("model.safetensors")
        except (OSError, KeyError, zipfile.BadZipFile) as error:
            raise Refused(
                f"{path} cannot be read as an archive of model.py and model.safetensors: {reason(error)}"
            ) from None
        if found != script.encode():
            raise Refused(f"model.py in {path} is not what was written for this network, so it is not run")
        space: dict[str, Any] = {"__name__": "model", "__file__": str(path / "model.py")}
        exec(compile(script, "model.py", "exec"), space)  # noqa: S102  # it was just written, and compared
        space["load_file"] = lambda _: load(weights)
        network = space["load"]()

        def run(images: Tensor) -> Tensor:
            with torch.no_grad():
                return network(images)  # type: ignore[no-any-return]

        return run


exports.register(Code())
