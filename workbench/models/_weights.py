"""Where the weights of a network lie on this machine, and how they are written."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open
from safetensors.torch import save as to_safetensors
from torch import nn

from workbench import resources
from workbench.errors import Refused
from workbench.files import write_whole


def shipped(name: str) -> Path:
    """Return the file of the weights that are shipped for a model; it need not exist."""
    return Path(__file__).parent / "weights" / f"{_slug(name)}.safetensors"


def trained(name: str, data_name: str) -> Path:
    """Return the file in which a person's own training of a model on a data set is kept; it need not exist."""
    return resources.cache_home() / "weights" / f"{_slug(name)}-{_slug(data_name)}.safetensors"


def kept() -> tuple[str, ...]:
    """Return the names of the models whose weights somebody has trained on this machine, in alphabetical order."""
    found = set()
    for path in (resources.cache_home() / "weights").glob("*.safetensors"):
        try:
            with safe_open(path, framework="pt") as file:
                about = json.loads((file.metadata() or {}).get("workbench", "{}"))
        except (SafetensorError, OSError, ValueError):
            continue  # whoever loads it is told what is wrong
        if isinstance(about, dict) and isinstance(about.get("model"), str):
            found.add(about["model"])
    return tuple(sorted(found))


def save(model: nn.Module, path: Path, about: Mapping[str, Any]) -> None:
    """Write the weights of a model as safetensors, whole or not at all; the same weights give the same bytes.

    `about` is plain JSON that says how they were made. Raises `Refused` where the file cannot be written.
    """
    state = {name: tensor.detach().cpu().contiguous() for name, tensor in model.state_dict().items()}
    # one entry: safetensors writes several in an order of its own, different each time
    content = to_safetensors(state, {"workbench": json.dumps(about, sort_keys=True)})
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise Refused(f"the folder {path.parent} cannot be made: {error.strerror}") from None
    write_whole(path, content)


def _slug(name: str) -> str:
    """Return the name as part of a file name; a name that has to change gets a hash, so that no two become one."""
    plain = re.sub(r"[^A-Za-z0-9.-]+", "_", name)
    return plain if plain == name else f"{plain[-60:]}_{hashlib.sha256(name.encode()).hexdigest()[:8]}"
