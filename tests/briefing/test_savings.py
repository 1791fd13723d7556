"""A year of requests, worked out by hand."""

from __future__ import annotations

import dataclasses

import pytest

from workbench.briefing.savings import savings
from workbench.devices.roofline import Fit, Forecast
from workbench.devices.shelf import device
from workbench.result import Estimate


def modelled(value: float, unit: str) -> Estimate:
    return Estimate(value=value, low=value / 2, high=2 * value, how="modelled", unit=unit)


def forecast(name: str, ms: float, mj: float) -> Forecast:
    room = Fit(what="activations", needed_bytes=1, available_bytes=2)
    return Forecast(
        profile=device(name),
        latency_ms=modelled(ms, "ms"),
        energy_mj=modelled(mj, "mJ"),
        flash=None,
        ram=room,
        refused=(),
        ops=(),
    )


def ends(estimate: Estimate) -> tuple[float, float, float]:
    return estimate.low, estimate.value, estimate.high


def test_a_device_of_ones_own_costs_electricity() -> None:
    before, after = forecast("laptop", 2, 36), forecast("laptop", 1.5, 18)
    found = savings(before, after, requests_per_day=1_000_000, usd_per_kwh=0.2)
    assert found is not None
    # 365 million requests of 36 mJ are 13.14 GJ / 1000 = 3.65 kWh
    assert ends(found.energy_kwh.before) == pytest.approx((1.825, 3.65, 7.3))
    assert ends(found.energy_kwh.saved) == pytest.approx((0.9125, 1.825, 3.65))
    assert ends(found.usd.saved) == pytest.approx((0.1825, 0.365, 0.73))
    assert ends(found.latency_ms.saved) == pytest.approx((0.25, 0.5, 1.0))
    assert found.busy_hours.before.value == pytest.approx(2000 / 3600)
    assert not found.rented
    assert found.usd.saved.how == "modelled"


def test_a_rented_device_costs_its_hours() -> None:
    before, after = forecast("t4", 2, 36), forecast("t4", 2.5, 36)
    rent = before.profile.usd_per_hour
    assert rent is not None
    found = savings(before, after, requests_per_day=1_000_000, usd_per_kwh=0.2)
    assert found is not None
    assert found.rented
    # 365 million requests of 2 ms are 730,000 s
    assert found.usd.before.value == pytest.approx(730_000 / 3600 * rent.value)
    assert ends(found.usd.saved) == pytest.approx(tuple(-x * 182_500 / 3600 * rent.value for x in (2, 1, 0.5)))


def test_nothing_is_saved_where_one_of_them_does_not_run() -> None:
    before = forecast("laptop", 2, 36)
    large = dataclasses.replace(before, ram=Fit(what="activations", needed_bytes=3, available_bytes=2))
    assert savings(before, large, requests_per_day=1, usd_per_kwh=0.2) is None
    assert savings(large, before, requests_per_day=1, usd_per_kwh=0.2) is None
