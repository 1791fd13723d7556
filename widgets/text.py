"""Numbers and names in words: the same form in every panel."""

from __future__ import annotations

import html

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


def label(name: str) -> str:
    """Return a field name as a label: `per_channel` is `Per channel`."""
    words = {"lr": "learning rate"}.get(name, name.replace("_", " "))
    return words[:1].upper() + words[1:]


def escape(text: object) -> str:
    """Return text that HTML shows as it is: names of models, layers and files come from anybody."""
    return html.escape(str(text))
