"""The line of Python that makes a module of torch.nn: `nn.Conv2d(16, 7, 3, padding=1, bias=False)`."""

from __future__ import annotations

import inspect
from typing import Any

import torch
from torch import nn

_PLAIN = (bool, int, float, str, tuple, list, type(None))
_PLACES = {"device", "dtype"}
_OWN = {"training"}
_Arguments = dict[str, Any]


def constructor(module: nn.Module) -> str | None:
    """Return the expression that makes a module of the same kind, shapes and settings; None where none is known.

    It is tried: what it makes must have the tensors and the settings of the module, so a module with a forward of its
    own, one that was changed by hand, or one that hides its settings has none.
    """
    kind = type(module)
    if not kind.__module__.startswith("torch.nn.modules.") or isinstance(module, nn.Sequential | nn.ModuleList):
        return None
    if getattr(nn, kind.__name__, None) is not kind or "forward" in vars(module):
        return None
    required, optional = _arguments(module)
    if not _makes(module, required, optional):
        return None
    for name in list(optional):
        fewer = {key: value for key, value in optional.items() if key != name}
        if _makes(module, required, fewer):  # the default says the same
            optional = fewer
    for given in (required, optional):
        for name, value in list(given.items()):
            if isinstance(value, tuple) and len({*value}) == 1:
                shorter = required | optional | {name: value[0]}
                if _makes(module, shorter, {}):
                    given[name] = value[0]
    written = [repr(value) for value in required.values()] + [f"{key}={value!r}" for key, value in optional.items()]
    return f"nn.{kind.__name__}({', '.join(written)})"


def _arguments(module: nn.Module) -> tuple[_Arguments, _Arguments]:
    """Return the arguments that the class asks for, and those that it has defaults for, as the module has them."""
    required: _Arguments = {}
    optional: _Arguments = {}
    for name, parameter in inspect.signature(type(module)).parameters.items():
        if name in _PLACES or parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD):
            continue
        value = _setting(module, name)
        if value is inspect.Parameter.empty:
            continue
        (required if parameter.default is inspect.Parameter.empty else optional)[name] = value
    return required, optional


def _setting(module: nn.Module, name: str) -> Any:
    if isinstance(module, nn.MultiheadAttention) and name in ("bias", "add_bias_kv"):
        return (module.in_proj_bias if name == "bias" else module.bias_k) is not None
    value = getattr(module, name, inspect.Parameter.empty)
    if name == "bias" and not isinstance(value, bool):
        return value is not None
    return value if isinstance(value, _PLAIN) else inspect.Parameter.empty


def _makes(module: nn.Module, required: _Arguments, optional: _Arguments) -> bool:
    try:
        with torch.device("meta"):
            made = type(module)(**required, **optional)
    except (TypeError, ValueError, RuntimeError):
        return False
    return _shapes(made) == _shapes(module) and all(
        vars(module).get(name) == value
        for name, value in vars(made).items()
        if name not in _OWN and isinstance(value, _PLAIN)
    )


def _shapes(module: nn.Module) -> dict[str, Any]:
    return {name: (tensor.shape, tensor.dtype) for name, tensor in module.state_dict().items()}
