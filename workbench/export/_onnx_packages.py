"""The optional packages behind the ONNX formats, each with a sentence where it is missing or too old."""

from __future__ import annotations

import importlib
from types import ModuleType

from workbench.errors import Refused

_INSTALL = "pip install 'onnx>=1.18' 'onnxruntime>=1.22' 'onnxscript>=0.5'"
_OLDEST_RUNTIME = (1, 22)
"""As in pyproject: it has kernels for whole numbers of 4 bits and the operators of opset 21."""


def exporter() -> None:
    """Raise `Refused` unless a network can be written as ONNX here."""
    for name in ("onnx", "onnxscript"):
        _imported(name)
    from torch.onnx import ops

    if "symbolic" not in vars(ops):
        import torch

        raise Refused(f"the ONNX formats need torch 2.8 or newer, found {torch.__version__}: update it")


def runtime() -> ModuleType:
    """Return onnxruntime; raises `Refused` where it is missing or older than the operators that the files use."""
    found = _imported("onnxruntime")
    version = tuple(int(part) for part in found.__version__.split(".")[:2])
    if version < _OLDEST_RUNTIME:
        raise Refused(
            f"the ONNX formats need onnxruntime {'.'.join(map(str, _OLDEST_RUNTIME))} or newer, whose kernels know "
            f"whole numbers of 4 bits, found {found.__version__}: {_INSTALL}"
        )
    return found


def _imported(name: str) -> ModuleType:
    try:
        return importlib.import_module(name)
    except ImportError:
        raise Refused(f"the ONNX formats need the package {name}, which is not installed: {_INSTALL}") from None
