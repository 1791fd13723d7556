"""`workbench export`: the network of a job as a file, tried on all test images before it is there."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from workbench import registry
from workbench.cli.job import RECORDED, job_options
from workbench.cli.progress import ProgressLine
from workbench.cli.recipes import RecipeCommand
from workbench.cli.show import how, print_json, value
from workbench.errors import Refused
from workbench.result import Job

if TYPE_CHECKING:
    from workbench.delivery import Delivered


@click.command(cls=RecipeCommand)
@job_options
@click.option(
    "--out", required=True, type=click.Path(dir_okay=False, path_type=Path), help="The file, such as net.onnx."
)
@click.option("--format", "named", metavar="FORMAT", help="See `workbench list exports`; by default by the file name.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object on standard output.")
@click.pass_context
def export(ctx: click.Context, job: Job, out: Path, named: str | None, as_json: bool) -> None:
    """Compress MODEL and write it as a file that was run on all test images and predicts what was shown.

    The steps are those of --recipe, then those of the technique options, in their usual order. A recipe that was
    exported with `--format recipe` names model and data itself, and gives the same bytes again.
    """
    from workbench.delivery import deliver, replay

    chosen = registry.exports.get(_fitting(named, out) if named else _by_suffix(out))
    with ProgressLine() as report:
        if (recorded := ctx.meta.get(RECORDED)) is not None:
            replay(recorded, job, report=report)
        delivered = deliver(job, chosen, out, report=report)
    if as_json:
        print_json(_plain(delivered))
    else:
        click.echo("\n".join(_lines(delivered)))


def _by_suffix(out: Path) -> str:
    """Return the format that a file name asks for. Raises `Refused` where it asks for none, or for several."""
    fitting = [format.name for format in registry.exports if format.suffix == out.suffix.lower()]
    if len(fitting) > 1:
        raise Refused(f"several formats are written as {out.suffix}: choose one with --format {'|'.join(fitting)}")
    if not fitting:
        known = ", ".join(sorted({format.suffix for format in registry.exports}))
        raise Refused(f"{out} says no format: choose one with --format, or a name that ends in one of {known}")
    return fitting[0]


def _fitting(named: str, out: Path) -> str:
    """Return the format, unless the file is called like another: a slip would overwrite what was meant to stay."""
    others = {format.suffix: format.name for format in registry.exports}
    wanted, given = registry.exports.get(named).suffix, out.suffix.lower()
    if given != wanted and given in others:
        raise Refused(f"a file of the format {named} ends in {wanted}, got {out}, which is one of {others[given]}")
    return named


def _lines(delivered: Delivered) -> list[str]:
    """Return what a person should know of a file."""
    same = (
        "the same predictions" if delivered.agreement.value == 1 else f"{value(delivered.agreement)} the same answers"
    )
    return [
        f"{delivered.path}: {delivered.size_bytes:,} bytes, {same} on {delivered.agreement.n:,} images",
        f"accuracy {value(delivered.accuracy)}, {how(delivered.accuracy)} in {delivered.runtime}; "
        f"scores at most {delivered.difference:.3g} from those of the preview; written in {delivered.seconds:.1f} s",
        *(f"- {note}" for note in delivered.notes),
    ]


def _plain(delivered: Delivered) -> dict[str, Any]:
    job = delivered.job
    row: dict[str, Any] = {"status": "ok", "message": "", "model": job.model.name, "data": job.data.name}
    row |= {"recipe": job.recipe.to_dict(), "file": str(delivered.path), "format": delivered.format}
    row |= {"runtime": delivered.runtime, "size_bytes": delivered.size_bytes, "images": delivered.agreement.n}
    for name in ("agreement", "accuracy"):
        estimate = getattr(delivered, name)
        row |= {name: estimate.value, f"{name}_low": estimate.low, f"{name}_high": estimate.high}
    row |= {"preview_accuracy": delivered.preview_accuracy, "largest_difference": delivered.difference}
    return row | {"faithful": delivered.faithful, "seconds": delivered.seconds, "notes": list(delivered.notes)}
