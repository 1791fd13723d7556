"""`workbench devices`: what a network would take on each device."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from workbench.cli.job import job_options
from workbench.cli.progress import ProgressLine
from workbench.cli.recipes import RecipeCommand
from workbench.cli.show import print_json, table
from workbench.result import Estimate, Job

if TYPE_CHECKING:
    from workbench.devices.roofline import Fit, Forecast


@click.command(cls=RecipeCommand)
@job_options
@click.option("--on", multiple=True, metavar="DEVICE", help="Only this one; may be given again.")
@click.option("--grid", default="world", show_default=True, help="Where the current comes from, or grams of CO2 a kWh.")
@click.option(
    "--price", type=click.FloatRange(0, 1e6), metavar="USD", help="Price of an hour, in place of the devices' own."
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON array.")
def devices(job: Job, on: tuple[str, ...], grid: str, price: float | None, as_json: bool) -> None:
    """Forecast what MODEL, compressed as asked, would take on other devices: time, energy, memory.

    Nothing is measured: the numbers are a roofline of published figures, with bounds. `workbench calibrate` adds this
    machine.
    """
    import torch

    from workbench.devices import footprint, shelf
    from workbench.devices.roofline import forecast
    from workbench.graph import graph_of
    from workbench.graph.workload import workload
    from workbench.run import made, prepare

    chosen = [shelf.device(name) for name in on] or shelf.devices()
    grams = footprint.intensity(grid)
    with ProgressLine() as report:
        network, _ = made(job, report=report)
        image = prepare(job, report=report).test.inputs(torch.arange(1))
    work = workload(network, graph_of(network, image))
    rows = [_row(forecast(work, profile), grams, price) for profile in chosen]
    if as_json:
        print_json(rows)
        return
    heads = ["device", "latency [low, high]", "energy", "flash", "memory", "gCO2/M", "USD/M", "what does not run"]
    click.echo(table([heads, *map(_cells, rows)]))
    click.echo(
        "Latency, energy, CO2 and cost are modelled (--json has the bounds of all); flash and memory are counted; "
        "nothing is measured."
    )


def _row(found: Forecast, grams: float, price: float | None) -> dict[str, Any]:
    from workbench.devices.footprint import cost_per_million, grams_per_million

    rent = found.profile.usd_per_hour.value if price is None and found.profile.usd_per_hour else price
    latency, energy = found.latency_ms, found.energy_mj
    return {
        "device": found.profile.name,
        "title": found.profile.title,
        "runs": found.runs,
        "latency_ms": _bounds(latency),
        "energy_mj": _bounds(energy),
        "flash": _fit(found.flash),
        "ram": _fit(found.ram),
        "grams_per_million": _bounds(energy and grams_per_million(energy, grams)),
        "usd_per_million": _bounds(latency and cost_per_million(latency, rent) if rent is not None else None),
        "refused": list(found.refused),
    }


def _bounds(estimate: Estimate | None) -> dict[str, Any] | None:
    if estimate is None:
        return None
    return {"value": estimate.value, "low": estimate.low, "high": estimate.high, "how": estimate.how}


def _fit(fit: Fit | None) -> dict[str, Any] | None:
    if fit is None:
        return None
    return {"what": fit.what, "needed_bytes": fit.needed_bytes, "available_bytes": fit.available_bytes, "ok": fit.ok}


def _cells(row: dict[str, Any]) -> list[str]:
    latency = row["latency_ms"]
    shown = "-" if latency is None else "{value:.3g} ms [{low:.3g}, {high:.3g}]".format(**latency)
    return [
        row["device"],
        shown,
        "-" if row["energy_mj"] is None else f"{row['energy_mj']['value']:.3g} mJ",
        *(_room(row[place]) for place in ("flash", "ram")),
        *("-" if row[key] is None else f"{row[key]['value']:.3g}" for key in ("grams_per_million", "usd_per_million")),
        "; ".join(row["refused"]),
    ]


def _room(fit: dict[str, Any] | None) -> str:
    if fit is None:
        return "disk"
    return f"{'fits' if fit['ok'] else 'TOO LARGE'}, {100 * fit['needed_bytes'] / fit['available_bytes']:.3g} %"
