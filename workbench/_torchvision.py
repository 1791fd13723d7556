"""`import torchvision`, also where its compiled operators cannot be loaded.

A torchvision that was compiled for CUDA, beside a torch for the CPU (what `pip install torch torchvision` gives when
torch comes from its CPU index), fails on import with "operator torchvision::nms does not exist": it describes operators
that its library did not get to define. Nothing here uses those operators, so it is enough to declare them.
"""

from __future__ import annotations

import importlib
import sys
import threading
from typing import Any

from workbench.errors import Refused

_OPERATORS = ("nms", "qnms")
_declared: list[Any] = []
"""Keeps the declarations alive: torch takes them back when the last reference goes."""
_lock = threading.Lock()


def import_torchvision() -> Any:
    """Return the module torchvision; its missing operators are declared first where the import fails for want of them.

    Never before a failure: declaring operators that a healthy torchvision defines would break that one.
    Raises `Refused` where torchvision is not installed.
    """
    with _lock:
        try:
            return importlib.import_module("torchvision")
        except ModuleNotFoundError as error:
            if error.name != "torchvision":
                raise
            raise Refused("this needs torchvision, which is not installed: pip install torchvision") from None
        except RuntimeError as error:
            if "torchvision::" not in str(error):
                raise
        _forget_half_imported()
        _declare()
        return importlib.import_module("torchvision")


def _forget_half_imported() -> None:
    for name in [name for name in sys.modules if name == "torchvision" or name.startswith("torchvision.")]:
        del sys.modules[name]


def _declare() -> None:
    if _declared:
        return
    import torch

    library = torch.library.Library("torchvision", "FRAGMENT")
    for operator in _OPERATORS:
        library.define(f"{operator}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
    _declared.append(library)
