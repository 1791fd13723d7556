"""Rows and lists as plain text for people, and as JSON for programs."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import click

from workbench import registry
from workbench.result import Estimate, Result

PROMISED = (
    *("status", "message", "key", "model", "data", "recipe"),
    *("accuracy", "accuracy_low", "accuracy_high", "images"),
    *("size_bytes", "parameters", "nonzeros", "macs", "peak_memory"),
)
"""Keys that the JSON object of a row always has; null where there is nothing to say."""


def print_json(content: Any) -> None:
    """Print one JSON value on standard output."""
    click.echo(json.dumps(content, indent=2, ensure_ascii=False))


def row_object(result: Result) -> dict[str, Any]:
    """Return the flat JSON object of a row, with every promised key."""
    return dict.fromkeys(PROMISED) | result.flat()


def table(rows: Sequence[Sequence[str]]) -> str:
    """Return rows of cells as lines with aligned columns."""
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows
    )


def comparison(original: Result, result: Result) -> str:
    """Return a table of the estimates of a compressed network beside those of the original."""
    rows = [["", "original", "compressed", "", ""]]
    for name, estimate in result.estimates.items():
        before = original.estimates.get(name)
        title = registry.measures.get(name).title
        told = [value(shown, points=name == "change") if shown else "" for shown in (before, estimate)]
        rows.append([title, *told, _change(before, estimate), how(estimate)])
    return table(rows)


def ratios(result: Result) -> list[str]:
    """Return sentences on how much smaller a network is than its original in float32, in both accounts."""
    accounts = result.details.get("size_bytes", {})
    told = {
        "everything": "the whole file",
        "parameters": "weights and biases with their scales, indices and tables, as papers count",
    }
    return [
        f"{accounts[account]['ratio']:.1f} times smaller than float32: {what} ({accounts[account]['bytes']:,} bytes)"
        for account, what in told.items()
        if f"{accounts.get(account, {}).get('ratio') or 1:.1f}" != "1.0"
    ]


def value(estimate: Estimate, *, points: bool = False) -> str:
    """Return a number with its interval: a fraction as percent, anything else with its unit.

    A difference of two fractions is told in percentage `points`.
    """

    def show(x: float) -> str:
        return f"{100 * x:.2f}" if fraction else f"{x:,.6g}" if x != int(x) else f"{int(x):,}"

    fraction = estimate.unit == "fraction"
    unit = (" points" if points else " %") if fraction else f" {estimate.unit}" if estimate.unit else ""
    if estimate.low == estimate.high:
        return f"{show(estimate.value)}{unit}"
    return f"{show(estimate.value)}{unit} [{show(estimate.low)}, {show(estimate.high)}]"


def how(estimate: Estimate) -> str:
    """Return how a number was obtained."""
    return estimate.how if estimate.n is None else f"{estimate.how} on {estimate.n:,} images"


def _change(before: Estimate | None, after: Estimate) -> str:
    if before is None or before.value == after.value or not (before.value and after.value):
        return ""
    if not before.how == after.how == "counted":
        return ""
    return (
        f"{before.value / after.value:.3g}x less"
        if before.value > after.value
        else f"{after.value / before.value:.3g}x more"
    )
