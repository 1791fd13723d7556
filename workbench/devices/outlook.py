"""What the network of a row would take on every device: of the row alone, so that it follows a slider."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from workbench.devices.roofline import Forecast, forecast
from workbench.devices.shelf import devices
from workbench.errors import Refused
from workbench.loads import Workload
from workbench.result import Job, Result


@dataclass(frozen=True, kw_only=True)
class Outlook:
    """The forecasts of one row, small devices first."""

    job: Job
    forecasts: tuple[Forecast, ...]


def outlook(row: Result) -> Outlook:
    """Return what the network of a row would take on each device. Raises `Refused`, also for a wrong device file."""
    return Outlook(job=row.job, forecasts=forecasts(row.details))


def forecasts(details: Mapping[str, Any]) -> tuple[Forecast, ...]:
    """Return what a network would take on each device, by the details of its row. Raises `Refused`."""
    found = details.get("peak_memory", {}).get("workload")
    if found is None:
        raise Refused("this row was measured before devices could be forecast: remove it and measure it again")
    work = Workload.from_dict(found)
    return tuple(forecast(work, profile) for profile in devices())
