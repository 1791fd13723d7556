"""`workbench train`: the weights of a network, made again by anybody."""

from __future__ import annotations

from pathlib import Path

import click

from workbench.cli.exits import Exit, complain
from workbench.cli.progress import ProgressLine
from workbench.cli.run import final_row
from workbench.cli.show import how, print_json, row_object, value
from workbench.result import DataRef, Job, ModelRef, Status


@click.command()
@click.argument("model")
@click.option("--data", required=True, metavar="DATA", help="Data set; see `workbench list data`.")
@click.option("--root", default="", metavar="DIR", help="Folder of the data set's files.")
@click.option("--epochs", type=click.FloatRange(0, min_open=True), help="Passes over the data, instead of the usual.")
@click.option("--seed", default=0, show_default=True, help="Seed of everything random.")
@click.option("--out", type=click.Path(dir_okay=False, path_type=Path), help="Write the weights here.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object on standard output.")
@click.pass_context
def train(
    ctx: click.Context,
    model: str,
    data: str,
    root: str,
    epochs: float | None,
    seed: int,
    out: Path | None,
    as_json: bool,
) -> None:
    """Train MODEL from fresh weights and measure it on the test images.

    Without --out the weights go where `run` and the dashboard find them. They are written when training is done; an
    interrupted training leaves those of before.
    """
    import torch

    from workbench.models import _train

    torch.set_num_threads(1)  # sums of several threads differ in their last bits: one seed would give several networks
    ref, path = DataRef(name=data, root=root), out or _train.default_path(model, data)
    job = Job(model=ModelRef(name=model, checkpoint=str(path)), data=ref, seed=seed)
    with ProgressLine() as report:
        network = _train.train(model, ref, seed, epochs, report)
    _train.save(network, path, name=model, data_name=data, seed=seed, epochs=epochs)
    result = final_row(job)
    if as_json:
        print_json(row_object(result) | {"file": str(path)})
    elif result.status is Status.OK:
        accuracy = result.estimates["accuracy"]
        click.echo(f"test accuracy {value(accuracy)}, {how(accuracy)}\nweights in {path}")
    if result.status is not Status.OK:
        complain(result.message)
        ctx.exit(Exit.REFUSED)
