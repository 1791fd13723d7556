"""Optional packages of the formats, with one sentence where one is missing."""

from __future__ import annotations

import importlib
from types import ModuleType

from workbench.errors import Refused


def extra(module: str, title: str, name: str) -> ModuleType:
    """Return a module of the extra `name`; raises `Refused` where it is not installed or does not fit this torch."""
    try:
        return importlib.import_module(module)
    except (ImportError, OSError, AttributeError) as error:  # a package of another torch fails in any of these ways
        missing = isinstance(error, ModuleNotFoundError) and (error.name or "").split(".")[0] == module.split(".")[0]
        why = "which is not installed" if missing else f"which cannot be used here ({type(error).__name__}: {error})"
        raise Refused(
            f"{title} needs the package {module.split('.')[0]}, {why}: pip install 'downsizing-workbench[{name}]'"
        ) from None
