"""The job as JSON, with hashes of what went in and of the packed file that came out: enough to make it again.

    workbench export --recipe FILE --out net.dsw

makes the same bytes where the weights, the data, the versions and the kind of processor are the same, and says which of
them are not where they differ. See `workbench.delivery.replay`.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any, final

import torch
from torch import Tensor

from workbench.errors import Refused
from workbench.export.packed import pack, unpack
from workbench.exporting import Format, Runner, Source
from workbench.registry import exports

FORMAT = 1
KIND = "downsizing-workbench job"


@final
class RecipeFile(Format):
    """A `.json` file."""

    name = "recipe"
    title = "Recipe"
    summary = "The job with hashes of base weights, data and result: the workbench makes the same bytes from it again."
    suffix = ".json"
    runtime = "this workbench"
    exact = True
    hurts_when = (
        "It holds no weights: whoever replays it needs the same base weights and data. A training gives other bytes on "
        "another kind of processor or another number of threads, and the replay then says so."
    )

    def write(self, source: Source, path: Path) -> None:
        if "job" not in source.recipe:
            raise Refused("a recipe is written of a job, and this network has come without one")
        content = {
            "kind": KIND,
            "format": FORMAT,
            **source.recipe,
            "packed": hashlib.sha256(pack(source.model, source.about).data).hexdigest(),
        }
        path.write_text(json.dumps(content, indent=2, sort_keys=True) + "\n", encoding="utf-8")

    def load(self, path: Path, source: Source) -> Runner:
        """Return what runs the packed file whose hash the recipe names; making it again is for a fresh process."""
        packed = pack(source.model, source.about).data
        if read(path.read_text(encoding="utf-8")).get("packed") != hashlib.sha256(packed).hexdigest():
            raise Refused(f"{path} does not name the packed file of this network")
        network = unpack(packed, source.build)

        def run(images: Tensor) -> Tensor:
            with torch.no_grad():
                return network(images)  # type: ignore[no-any-return]

        return run


def read(text: str) -> dict[str, Any]:
    """Return the content of such a file; raises `Refused` for anything else."""
    try:
        content = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise Refused(f"a recorded job is a JSON object, this text is not JSON: {error}") from None
    if not isinstance(content, dict) or content.get("kind") != KIND:
        raise Refused(f'a recorded job is an object {{"kind": "{KIND}", ...}}, got something else')
    if not isinstance(content.get("format"), int) or content["format"] > FORMAT:
        raise Refused(f"this recorded job has format {content.get('format')!r}, this workbench reads up to {FORMAT}")
    hashes = content.get("hashes")
    if not isinstance(hashes, dict) or not isinstance(content.get("packed"), str):
        raise Refused("a recorded job names `hashes` of weights and data, and that of the `packed` file")
    return content


exports.register(RecipeFile())
