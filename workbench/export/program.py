"""A program of `torch.export`: the graph of the network in ATen operators with its weights, for any number of images.

The format of torch may hold pickles, and `torch.export.load` falls back to unrestricted ones where a file asks for it
(torch 2.13). The one pickle in the files written here is the example input, which holds nothing but a tensor. Before
`load` gives a file to torch, it makes sure that this is so. (https://docs.pytorch.org/docs/stable/export.html)
"""

from __future__ import annotations

import io
import json
import pickle
import zipfile
from pathlib import Path
from typing import Any, final

import torch
from torch import Tensor, nn

from workbench.errors import Refused
from workbench.exporting import Format, Runner, Source
from workbench.network import clone
from workbench.registry import exports


@final
class Program(Format):
    """A `.pt2` file."""

    name = "program"
    title = "torch.export program"
    summary = "The graph of the network for torch itself: activation rounding included, any number of images."
    suffix = ".pt2"
    runtime = "torch.export.load"
    hurts_when = (
        "Weights are float32, whatever their bits. torch's own format can hold pickles, so load only programs from "
        "people you trust; the one pickle in ours is the example input, a plain tensor."
    )

    def write(self, source: Source, path: Path) -> None:
        program = exported(source.model, source.example)
        buffer = io.BytesIO()
        torch.export.save(program, buffer)
        path.write_bytes(buffer.getvalue())

    def load(self, path: Path, source: Source) -> Runner:
        content = path.read_bytes()
        check_harmless(content)
        network = torch.export.load(io.BytesIO(content)).module()

        def run(images: Tensor) -> Tensor:
            with torch.no_grad():
                return network(images)  # type: ignore[no-any-return]

        return run


def exported(model: nn.Module, example: Tensor, *, dynamic: bool = True) -> torch.export.ExportedProgram:
    """Return the program of a network, for any number of images where `dynamic`, else for that of the example.

    Raises `Refused` where the path through the network depends on the values of the images.
    """
    shapes = ({0: torch.export.Dim("batch")},) if dynamic else None
    try:
        with torch.no_grad():
            return torch.export.export(clone(model).eval(), (example,), dynamic_shapes=shapes, strict=False)
    except Exception as error:  # torch.export has no class of its own for what it cannot do
        said = str(error).strip().partition("\n")[0][:300]
        raise Refused(
            f"torch.export finds no program for this network ({type(error).__name__}: {said}): where its path depends "
            "on the values of the images or on how many there are, take the packed file instead"
        ) from error


def check_harmless(content: bytes) -> None:
    """Raise `Refused` for a program whose file could run code when torch loads it."""
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            for name in archive.namelist():
                if name.endswith("_config.json"):
                    _check_config(json.loads(archive.read(name)), name)
                elif name.endswith(".pt"):
                    torch.load(io.BytesIO(archive.read(name)), weights_only=True)
    except (zipfile.BadZipFile, ValueError, pickle.UnpicklingError, RuntimeError, EOFError) as error:
        if isinstance(error, Refused):
            raise
        raise Refused(f"this is no torch.export program that can be loaded without running code: {error}") from None


def _check_config(config: Any, name: str) -> None:
    entries = config.get("config", {}) if isinstance(config, dict) else {}
    for key, entry in entries.items():
        if entry.get("use_pickle"):
            raise Refused(f"{name} says that {key} is a pickle, which could run code: this program is not loaded")


exports.register(Program())
