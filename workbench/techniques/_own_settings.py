"""Settings that some layers have of their own."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from workbench.errors import Refused
from workbench.recipe import Layers


def own_settings(step: str, settings: Layers, known: Collection[str]) -> dict[str, Any]:
    """Return the settings by layer; raises `Refused`, naming the step, where there is no such layer among `known`."""
    own = dict(settings)
    if unknown := [name for name in own if name not in known]:
        raise Refused(f"{step}: no layer is called {unknown[0]!r}; layers are {', '.join(known)}")
    return own
