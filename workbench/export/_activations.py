"""What a packed file says of activations: the grid that what layers read, or what modules put out, is rounded to.

`{layer: [bits, scale, zero]}`, or `{layer: [16]}` for halves. The scale is a float32, which JSON writes without loss.
Outputs stand under `module>`, which no module can be called in a file that only knows of inputs.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import torch
from torch import nn

from workbench.activations import (
    ActivationFormat,
    activation_formats,
    output_formats,
    round_inputs_,
    round_outputs_,
)
from workbench.export._container import damaged
from workbench.network import Layer

_OUT = ">"


def described(model: nn.Module) -> dict[str, list[float]]:
    """Return the JSON form of all activation formats of a network."""
    written = {f"{name}{_OUT}": form for name, form in output_formats(model).items()}
    return {
        name: [form.bits] if form.bits == 16 else [form.bits, form.scale, form.zero]
        for name, form in (activation_formats(model) | written).items()
    }


def restore_(model: nn.Module, plain: Mapping[str, Any]) -> None:
    """Round the inputs and outputs as `described` says, in place; raises `Refused` for anything it does not write."""
    modules = dict(model.named_modules())
    for name, item in plain.items():
        out = name.endswith(_OUT)
        module = modules.get(name.removesuffix(_OUT))
        if module is None or not (out or isinstance(module, Layer)):
            raise damaged(f"it rounds activations of {name[:80]}, which is no layer of the network")
        form = _read(name, item)
        if out:
            round_outputs_(module, form)
        else:
            round_inputs_(module, form)


def _read(name: str, item: Any) -> ActivationFormat:
    match item:
        case [16]:
            return ActivationFormat(bits=16)
        case [int(bits), float(scale), int(zero)] if 2 <= bits <= 8 and 0 <= zero < 1 << bits and _positive(scale):
            return ActivationFormat(bits=int(bits), scale=scale, zero=int(zero))
    raise damaged(f"the activations of {name[:80]} have no known grid")


def _positive(scale: float) -> bool:
    """Return whether it is a normal float32 above zero, to the last bit."""
    normal = torch.finfo(torch.float32).tiny <= scale <= torch.finfo(torch.float32).max
    return math.isfinite(scale) and normal and torch.tensor(scale, dtype=torch.float32).item() == scale
