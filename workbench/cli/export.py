"""`workbench export`: the packed file of a job, checked before it is written."""

from __future__ import annotations

from pathlib import Path

import click

from workbench.cli.job import job_options
from workbench.cli.progress import ProgressLine
from workbench.cli.recipes import RecipeCommand
from workbench.cli.show import print_json
from workbench.errors import Refused
from workbench.files import write_whole
from workbench.result import Job


@click.command(cls=RecipeCommand)
@job_options
@click.option(
    "--out", required=True, type=click.Path(dir_okay=False, path_type=Path), help="The file, such as net.dsw."
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object on standard output.")
def export(job: Job, out: Path, as_json: bool) -> None:
    """Compress MODEL and write it as a packed file that gives the same predictions when it is unpacked.

    The steps are those of --recipe, then those of the technique options, in their usual order.
    """
    import torch

    from workbench.export.packed import pack, unpack
    from workbench.run import compressed, prepare

    with ProgressLine() as report:
        prepared = prepare(job, report=report)
        network = compressed(job, report=report)
    content = pack(network, prepared.about).data
    again = unpack(content, lambda name: prepared.context.build(name or job.model.name))
    with torch.no_grad():
        same = all(torch.equal(network(inputs), again(inputs)) for _, inputs, _ in prepared.test.batches(250))
    if not same:
        raise Refused(
            "the packed file does not predict what the network in memory does, so it is not written: "
            "please report this with the recipe"
        )
    write_whole(out, content)
    if as_json:
        said = {"status": "ok", "message": "", "model": job.model.name, "data": job.data.name}
        print_json(
            said
            | {
                "recipe": job.recipe.to_dict(),
                "file": str(out),
                "size_bytes": len(content),
                "images": len(prepared.test),
            }
        )
    else:
        click.echo(f"{out}: {len(content):,} bytes, the same predictions on {len(prepared.test):,} images")
