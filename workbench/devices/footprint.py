"""What a million inferences cost: grams of CO2 by the grid that the current comes from, and money by the hour.

    grams = millijoules a inference * 10^6 / 3.6 * 10^9 millijoules a kWh * grams a kWh
    price = milliseconds a inference * 10^6 / 3.6 * 10^6 milliseconds an hour * price an hour

The intensities are yearly means of 2023 over the life cycle of the plants, of Ember and the Energy Institute, as Our
World in Data shows them: https://ourworldindata.org/grapher/carbon-intensity-electricity
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType

from workbench.errors import Refused
from workbench.result import Estimate

GRIDS: Mapping[str, float] = MappingProxyType(
    {
        "world": 481.0,
        "France": 56.0,
        "Germany": 381.0,
        "Poland": 662.0,
        "Sweden": 41.0,
        "Norway": 30.0,
        "China": 582.0,
        "India": 713.0,
        "United States": 369.0,
    }
)
"""Grams of CO2 equivalents a kWh."""


def intensity(grid: str) -> float:
    """Return grams of CO2 a kWh of a grid by name, or of a number in words. Raises `Refused`."""
    if grid in GRIDS:
        return GRIDS[grid]
    try:
        grams = float(grid)
    except ValueError:
        raise Refused(f"the grid must be one of {', '.join(GRIDS)}, or grams of CO2 a kWh, got {grid!r}") from None
    if not 0 <= grams < 10_000:
        raise Refused(f"grams of CO2 a kWh must be in [0, 10000), got {grid}")
    return grams


def grams_per_million(energy_mj: Estimate, grams_per_kwh: float) -> Estimate:
    """Return grams of CO2 of a million inferences."""
    return _scaled(energy_mj, grams_per_kwh / 3600, "g")


def cost_per_million(latency_ms: Estimate, per_hour: float) -> Estimate:
    """Return what a million inferences cost, one after another, where an hour costs so much."""
    return _scaled(latency_ms, per_hour / 3.6, "USD")


def _scaled(estimate: Estimate, factor: float, unit: str) -> Estimate:
    low, value, high = (factor * number for number in (estimate.low, estimate.value, estimate.high))
    return replace(estimate, low=low, value=value, high=high, unit=unit, how="modelled")
