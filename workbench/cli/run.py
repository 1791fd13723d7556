"""`workbench run`: one job, measured."""

from __future__ import annotations

import contextlib
import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING

import click

from workbench.cli.exits import Exit, complain
from workbench.cli.job import job_options
from workbench.cli.progress import ProgressLine
from workbench.cli.recipes import RecipeCommand
from workbench.cli.show import comparison, print_json, ratios, row_object
from workbench.files import write_whole
from workbench.link import fragment
from workbench.recipe import Recipe
from workbench.result import Job, Result, Status

if TYPE_CHECKING:
    from workbench.store import Store


@click.command(cls=RecipeCommand)
@job_options
@click.option("--save/--no-save", help="Keep the row among the saved results; what is saved is not run again.")
@click.option("--out", type=click.Path(dir_okay=False, path_type=Path), help="Write the packed file here.")
@click.option("--link", "as_link", is_flag=True, help="Print the end of a link that carries the job; measure nothing.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object on standard output.")
@click.pass_context
def run(ctx: click.Context, job: Job, save: bool, out: Path | None, as_link: bool, as_json: bool) -> None:
    """Compress MODEL and measure what it costs.

    The steps are those of --recipe, then those of the technique options, in their usual order.
    """
    if as_link:
        click.echo(fragment(job))
        return
    with saving(save) as store:
        result = final_row(job, store)
        if out is not None and result.status is Status.OK:
            write_whole(out, _packed(job, store))
        lost = store is not None and result.status is Status.OK and not store.has(result.key)
    if as_json:
        print_json(row_object(result))
    elif result.status is Status.OK:
        original = final_row(dataclasses.replace(job, recipe=Recipe())) if job.recipe.steps else result
        remarks = (*ratios(result), *result.notes)
        click.echo("\n".join([comparison(original, result), *(f"- {remark}" for remark in remarks)]))
    if result.status is not Status.OK:
        complain(result.message)
        ctx.exit(Exit.REFUSED if result.status is Status.FAILED else Exit.INFEASIBLE)
    if lost:
        complain("the result was measured but could not be saved: see its notes")
        ctx.exit(Exit.REFUSED)


def final_row(job: Job, store: Store | None = None) -> Result:
    """Return the last and tightest row of a job, with progress on standard error."""
    from workbench.run import run as rows

    with ProgressLine() as report:
        *_, result = rows(job, report=report, store=store)
    return result


def saving(save: bool) -> contextlib.AbstractContextManager[Store | None]:
    """Return the store of saved results, or nothing."""
    if not save:
        return contextlib.nullcontext()
    from workbench.store import Store

    return Store()


def _packed(job: Job, store: Store | None) -> bytes:
    from workbench.run import packed_file

    with ProgressLine() as report:
        return packed_file(job, report=report, store=store)
