"""Reading weights: safetensors, or a torch file that holds tensors and nothing that could run.

What a file is, its content says, not its name. The wrappers that training scripts put around a state dict are undone.
"""

from __future__ import annotations

import pickle
import re
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load as parse_safetensors
from torch import Tensor, nn

from workbench.errors import Refused, reason

State = dict[str, Tensor]
"""Tensors by the name they have in a network."""

_WRAPPERS = ("state_dict", "model_state_dict", "model")
_PREFIXES = ("module.", "_orig_mod.")
"""What `nn.DataParallel` and `torch.compile` put before every name."""
_SHOWN = 3
_PLAIN = {
    *(torch.float16, torch.bfloat16, torch.float32, torch.float64),
    *(torch.uint8, torch.int8, torch.int16, torch.int32, torch.int64, torch.bool),
}


def read(path: Path) -> State:
    """Return the state dict in a checkpoint; raises `Refused` where it is missing, broken, unsafe or something else."""
    try:
        with path.open("rb") as file:
            head = file.read(9)
    except OSError as error:
        raise Refused(f"the checkpoint {path} cannot be read: {error.strerror}") from None
    content = _read_safetensors(path) if head[8:] == b"{" else _read_torch(path)
    return _unwrapped(content, path)


def load_into_(model: nn.Module, state: State, source: str) -> None:
    """Copy a state dict into a network, in place; raises `Refused`, the network untouched, unless it fits exactly.

    Only `num_batches_tracked` may be missing: torch before 0.4.1 did not write it, and it does not change a result.
    `source` names the state dict in the sentence.
    """
    own = model.state_dict()
    missing = [name for name in own if name not in state and not name.endswith("num_batches_tracked")]
    unexpected = [name for name in state if name not in own]
    if missing or unexpected:
        parts = [f"{what} {_some(names)}" for what, names in (("lacks", missing), ("adds", unexpected)) if names]
        raise Refused(f"{source} does not fit this network: it {' and '.join(parts)}")
    wrong = [
        f"{name} is {list(state[name].shape)} and should be {list(own[name].shape)}"
        for name in own
        if name in state and state[name].shape != own[name].shape
    ]
    if wrong:
        raise Refused(f"{source} does not fit this network: {_some(wrong)}")
    if bad := [name for name, tensor in state.items() if not torch.isfinite(tensor).all()]:
        raise Refused(f"{source} holds values that are NaN or infinite in {_some(bad)}: use a checkpoint from before")
    model.load_state_dict(state, strict=False)


def _some(items: list[str]) -> str:
    more = f" and {len(items) - _SHOWN} more" if len(items) > _SHOWN else ""
    return ", ".join(items[:_SHOWN]) + more


def _read_safetensors(path: Path) -> Any:
    try:
        return parse_safetensors(path.read_bytes())
    except (SafetensorError, OSError, KeyError, ValueError) as error:
        raise Refused(f"{path} is a broken safetensors file, perhaps cut short: {reason(error)}") from None


def _read_torch(path: Path) -> Any:
    _refuse_packed(path)
    try:
        with path.open("rb") as file:  # given a path, torch goes by the name's ending
            return torch.load(file, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        if found := re.search(r"GLOBAL ([\w.]+)", str(error)):
            raise Refused(
                f"{path} holds the Python object {found[1]}, which could run code, so it was not loaded: "
                "save only model.state_dict(), best as safetensors"
            ) from None
        raise Refused(f"{path} is no checkpoint: expected safetensors or a torch file") from None
    except Exception:  # a broken file makes torch raise nearly anything, whose words help nobody
        raise Refused(f"{path} is no checkpoint, or was cut short: expected safetensors or a torch file") from None


def _refuse_packed(path: Path) -> None:
    """Refuse a zip that holds more than it has bytes, be it compressed or named several times: torch writes none."""
    try:
        with zipfile.ZipFile(path) as archive:
            items, there = archive.infolist(), path.stat().st_size
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError):
        return  # a torch file of before, or whatever torch then says it is
    if any(item.compress_type != zipfile.ZIP_STORED for item in items) or sum(item.file_size for item in items) > there:
        raise Refused(
            f"{path} is a compressed archive, and no checkpoint has one: expected safetensors or a torch file"
        )


def _unwrapped(content: Any, path: Path) -> State:
    for _ in _WRAPPERS:
        inner = next((content[k] for k in _WRAPPERS if isinstance(content, Mapping) and k in content), None)
        if not isinstance(inner, Mapping):
            break
        content = inner
    if not isinstance(content, Mapping) or not content:
        raise Refused(f"{path} holds a {type(content).__name__}, expected a state dict: tensors by name")
    if other := [key for key, value in content.items() if not isinstance(key, str) or not isinstance(value, Tensor)]:
        raise Refused(f"{path} holds no state dict: {other[0]!r} is not a tensor")
    for name, tensor in content.items():
        if tensor.dtype not in _PLAIN or tensor.layout is not torch.strided or tensor.is_meta or tensor.is_nested:
            kind = f"{tensor.dtype}".removeprefix("torch.")
            kind = kind if tensor.layout is torch.strided and not tensor.is_meta else f"{kind}, not dense"
            raise Refused(f"{path} holds {name} as {kind}, expected plain floating-point numbers or integers")
    state: State = dict(content)
    while prefix := next((p for p in _PREFIXES if all(key.startswith(p) for key in state)), ""):
        state = {key.removeprefix(prefix): value for key, value in state.items()}
    return state
