"""`workbench list`."""

from __future__ import annotations

import pytest


@pytest.mark.parametrize("kind", ["models", "data", "techniques"])
def test_lists(workbench, kind: str) -> None:
    names = [row["name"] for row in workbench("list", kind, "--json").json]
    expected = {"models": "digits-cnn", "data": "digits", "techniques": "magnitude"}[kind]
    assert expected in names
    text = workbench("list", kind).out
    assert all(name in text for name in names)
