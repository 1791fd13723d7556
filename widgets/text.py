"""Numbers and names in words: the same form in every panel."""

from __future__ import annotations

import html

from workbench.recipe import Recipe
from workbench.result import Estimate


def quantity(value: float, unit: str = "") -> str:
    """Return a number with three digits and a decimal prefix: 17234 bytes is `17.2 kB`, 40.6 million is `40.6 M`."""
    symbol = {"bytes": "B"}.get(unit, f" {unit}" if len(unit) > 2 else unit)
    size, prefix = float(value), ""
    for larger in ("k", "M", "G", "T"):
        if abs(size) < 999.5:
            break
        size, prefix = size / 1000, larger
    digits = f"{size:.0f}" if not prefix and size == round(size) else f"{size:.3g}"
    return f"{digits} {prefix}{symbol}".strip()


def milliseconds(value: float) -> str:
    """Return a time in words: 1234 is `1.23 s`, 0.5 is `500 µs`."""
    return (
        quantity(value / 1000, "s") if value >= 1000 else f"{value:.3g} ms" if value >= 1 else f"{1000 * value:.3g} µs"
    )


def recipe_text(recipe: Recipe) -> str:
    """Return what a network was made by, in words; without any step it is the original."""
    return str(recipe) if recipe.steps else "the original"


def percent(fraction: float, digits: int = 1) -> str:
    """Return a fraction as percent: 0.875 is `87.5 %`."""
    return f"{100 * fraction:.{digits}f} %"


def interval(estimate: Estimate) -> str:
    """Return the interval of an estimate: `86.1 to 88.7 %`, `1.2 ms to 1.5 ms`."""
    if estimate.unit == "fraction":
        return f"{100 * estimate.low:.1f} to {100 * estimate.high:.1f} %"
    return f"{quantity(estimate.low, estimate.unit)} to {quantity(estimate.high, estimate.unit)}"


def estimate_text(estimate: Estimate) -> str:
    """Return the value of an estimate in words."""
    if estimate.unit == "fraction":
        return percent(estimate.value)
    unit = "" if estimate.unit == "MACs" else estimate.unit  # a count, which its heading names
    return quantity(estimate.value, unit)


def points(value: float) -> str:
    """Return a difference of two fractions in percentage points: -0.004 is `−0.4`, and nothing is `0.0`."""
    rounded = round(100 * value, 1)
    return f"{rounded:+.1f}".replace("-", "−") if rounded else "0.0"


def change_text(estimate: Estimate) -> str:
    """Return a difference with the wider side of its interval: `−0.4 ± 0.5 points`."""
    side = max(estimate.high - estimate.value, estimate.value - estimate.low)
    return f"{points(estimate.value)} ± {100 * side:.1f} points"


def change_range(estimate: Estimate) -> str:
    """Return the interval of a difference of two fractions: `−1.2 to +0.3 points`."""
    return f"{points(estimate.low)} to {points(estimate.high)} points"


def capitalised(text: str) -> str:
    """Return a text with a capital letter in front."""
    return text[:1].upper() + text[1:]


def label(name: str) -> str:
    """Return a field name as a label: `per_channel` is `Per channel`."""
    words = {"lr": "learning rate"}.get(name, name.replace("_", " "))
    return capitalised(words)


def escape(text: object) -> str:
    """Return text that HTML shows as it is: names of models, layers and files come from anybody."""
    return html.escape(str(text))
