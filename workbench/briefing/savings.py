"""What a year of requests takes on a device, before and after: energy, money and time. All of it is modelled.

    energy = millijoules a request * requests a year / 3.6 * 10^9 millijoules a kWh
    money  = energy * price a kWh, or where the device is rented: hours that it computes * rent an hour

A device is paid while it computes: what it takes while it waits for requests is not in here.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

from workbench.devices.footprint import cost_per_million
from workbench.devices.roofline import Forecast
from workbench.result import Estimate

DAYS = 365
_MJ_PER_KWH = 3.6e9
_MS_PER_HOUR = 3.6e6


@dataclass(frozen=True, kw_only=True)
class Amount:
    """A quantity of the original and of the smaller network."""

    before: Estimate
    after: Estimate

    @property
    def saved(self) -> Estimate:
        """What the smaller one takes less.

        Both are modelled with one unknown, how well the device is used; it is taken to be the same for both, so the
        interval is from the saving at its best to that at its worst.
        """
        a, b = self.before, self.after
        ends = (a.low - b.low, a.value - b.value, a.high - b.high)
        return dataclasses.replace(a, value=ends[1], low=min(ends), high=max(ends))


@dataclass(frozen=True, kw_only=True)
class Savings:
    """What requests take on one device."""

    latency_ms: Amount
    """Of one request."""
    energy_kwh: Amount
    """Of a year."""
    usd: Amount
    """Of a year."""
    busy_hours: Amount
    """Of a day, on one device after another."""
    rented: bool
    """Whether the money is rent, rather than electricity."""


def savings(before: Forecast, after: Forecast, *, requests_per_day: int, usd_per_kwh: float) -> Savings | None:
    """Return what so many requests take on a device before and after; None where one of the two does not run there."""
    if not (before.runs and after.runs):
        return None
    latency, energy = (_amount(before, after, field) for field in ("latency_ms", "energy_mj"))
    a_year = requests_per_day * DAYS
    kwh = _scaled(energy, a_year / _MJ_PER_KWH, "kWh")
    rent = before.profile.usd_per_hour
    if rent is None:
        usd = _scaled(kwh, usd_per_kwh, "USD")
    else:
        million = Amount(
            before=cost_per_million(latency.before, rent.value), after=cost_per_million(latency.after, rent.value)
        )
        usd = _scaled(million, a_year / 1e6, "USD")
    return Savings(
        latency_ms=latency,
        energy_kwh=kwh,
        usd=usd,
        busy_hours=_scaled(latency, requests_per_day / _MS_PER_HOUR, "h"),
        rented=rent is not None,
    )


def _amount(before: Forecast, after: Forecast, field: str) -> Amount:
    return Amount(before=getattr(before, field), after=getattr(after, field))


def _scaled(amount: Amount, factor: float, unit: str) -> Amount:
    def times(estimate: Estimate) -> Estimate:
        low, value, high = (factor * number for number in (estimate.low, estimate.value, estimate.high))
        return dataclasses.replace(estimate, low=low, value=value, high=high, unit=unit)

    return Amount(before=times(amount.before), after=times(amount.after))
