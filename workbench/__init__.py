"""Downsizing Workbench: make a neural network smaller and see, measured, what it costs.

    from workbench import DataRef, Job, ModelRef
    from workbench.run import run

    for row in run(Job(model=ModelRef(name="digits-cnn"), data=DataRef(name="digits"))):
        print(row.estimates["accuracy"], row.estimates["size_bytes"])

Importing this package imports neither torch nor a widget; each name below is loaded when it is first used.
"""

from __future__ import annotations

import importlib
import os
from typing import TYPE_CHECKING, Any

os.environ["ORT_DISABLE_TELEMETRY"] = "1"  # read when onnxruntime is imported, which would start a thread

if TYPE_CHECKING:
    from workbench.errors import Cancelled as Cancelled
    from workbench.errors import Refused as Refused
    from workbench.recipe import Recipe as Recipe
    from workbench.result import DataRef as DataRef
    from workbench.result import Estimate as Estimate
    from workbench.result import Job as Job
    from workbench.result import ModelRef as ModelRef
    from workbench.result import Result as Result
    from workbench.store import Store as Store

__version__ = "0.1.0"

_HOMES = {
    "Cancelled": "errors",
    "DataRef": "result",
    "Estimate": "result",
    "Job": "result",
    "ModelRef": "result",
    "Recipe": "recipe",
    "Refused": "errors",
    "Result": "result",
    "Store": "store",
}
"""Values that are loaded from their module at first use. The functions `run` and `compress` share the name of their
module, so they are imported from there: `from workbench.run import run`."""

__all__ = sorted(_HOMES)


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)
