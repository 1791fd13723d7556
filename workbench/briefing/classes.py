"""Who notices: the counts by class that a stored result carries."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from workbench.errors import Refused


def counts(details: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the columns for `forgetting.parts` from the details of a row, as `measure._classes` counts them.

    Raises `Refused` where the row has none.
    """
    found: Mapping[str, Any] | None = details.get("accuracy", {}).get("classes")
    if found is None:
        raise Refused(
            "this result was measured before classes were counted: remove it from the history and measure it again"
        )
    return found
