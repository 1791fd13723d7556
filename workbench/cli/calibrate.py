"""`workbench calibrate`: this machine as a device."""

from __future__ import annotations

import click

from workbench.cli.progress import ProgressLine
from workbench.cli.show import print_json


@click.command()
@click.option("--seconds", type=click.FloatRange(5, 600), default=25.0, show_default=True, help="About how long.")
@click.option("--seed", default=0, show_default=True, help="Draws the networks that are timed.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def calibrate(seconds: float, seed: int, as_json: bool) -> None:
    """Time small networks on this machine, and keep what was found as the device `this-machine`.

    How far its forecasts are off is measured on networks that it has not seen.
    """
    from workbench.devices import calibration

    with ProgressLine() as report:
        found = calibration.calibrate(seconds=seconds, seed=seed, report=report)
    error = found.error
    if as_json:
        bounds = {"value": error.value, "low": error.low, "high": error.high, "networks": error.n}
        print_json({"file": str(calibration.kept()), "error": bounds, "noisy": found.noisy})
        return
    click.echo(
        f"{calibration.kept()}: off by {100 * error.value:.1f} % in the median of {error.n} networks not seen before "
        f"[{100 * error.low:.1f}, {100 * error.high:.1f}]"
    )
    if found.noisy:
        click.echo("the machine was busy with other work meanwhile: calibrate again when it is not")
