"""`workbench list`."""

from __future__ import annotations

import pytest


@pytest.mark.parametrize("kind", ["models", "data", "techniques", "recipes"])
def test_lists(workbench, kind: str) -> None:
    names = [row["name"] for row in workbench("list", kind, "--json").json]
    expected = {"models": "digits-cnn", "data": "digits", "techniques": "magnitude", "recipes": "deep-compression"}[
        kind
    ]
    assert expected in names
    text = workbench("list", kind).out
    assert all(name in text for name in names)


def test_the_export_formats_are_listed_with_what_runs_them(workbench) -> None:
    rows = {row["name"]: row for row in workbench("list", "exports", "--json").json}
    assert {"packed", "code", "program", "recipe", "executorch", "litert"} <= set(rows)
    assert (rows["code"]["suffix"], rows["code"]["runtime"]) == (".zip", "torch and safetensors")
    assert ".pt2" in workbench("list", "exports").out
