"""`workbench sweep`: one network under many recipes, and those that nothing beats."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

import click

from workbench.cli.exits import Exit, complain
from workbench.cli.job import job_options
from workbench.cli.progress import ProgressLine
from workbench.cli.recipes import RecipeCommand
from workbench.cli.run import saving
from workbench.cli.show import PROMISED, how, row_object, table, value
from workbench.errors import Refused
from workbench.result import Job, Result, Status
from workbench.search.pareto import front
from workbench.variation import Axis, combinations

if TYPE_CHECKING:
    from workbench.executing import Executor


@click.command(cls=RecipeCommand)
@job_options
@click.option(
    "--vary",
    multiple=True,
    metavar="TECHNIQUE.FIELD=VALUES",
    help="Values of a setting: FROM:TO:STEP or A,B,C. Give it again for another setting: all combinations are tried.",
)
@click.option("--seeds", metavar="A,B,C", help="Do everything once for each seed, in place of --seed.")
@click.option("--executor", metavar="NAME", help="Where: inline (default), processes or dask.")
@click.option("--workers", default=0, metavar="N", help="Jobs at once; without it one for each processor.")
@click.option("--scheduler", default="", metavar="ADDRESS", help="A Dask scheduler that is running: tcp://HOST:8786.")
@click.option("--save/--no-save", default=True, help="Keep the rows among the saved results.  [default: save]")
@click.option("--json", "as_lines", is_flag=True, help="Print one JSON object for each row, one a line.")
@click.pass_context
def sweep(
    ctx: click.Context,
    job: Job,
    vary: tuple[str, ...],
    seeds: str | None,
    executor: str | None,
    workers: int,
    scheduler: str,
    save: bool,
    as_lines: bool,
) -> None:
    """Measure MODEL under every combination of the values of --vary.

    They are put into the recipe of --recipe and the technique options. What is saved already is not done again, so a
    sweep that was interrupted goes on where it stopped. Rows come as they are finished.
    """
    try:
        recipes = combinations(job.recipe, [Axis.parse(text) for text in vary])
        plain = [dataclasses.replace(job, seed=seed) for seed in _seeds(seeds, job.seed)]
        jobs = [dataclasses.replace(one, recipe=recipe) for one in plain for recipe in recipes]
        rows = _told(jobs, _chosen(executor, workers, scheduler), save, as_lines)
    except Refused as refusal:
        if as_lines:
            _print_line(
                dict.fromkeys(PROMISED) | {"status": "failed", "message": str(refusal), "model": job.model.name}
            )
        raise
    if not as_lines and len(rows) > 1:
        click.echo(_unbeaten(rows))
    if code := _complaints(rows, saved=save):
        ctx.exit(code)


def _told(jobs: list[Job], executor: Executor, save: bool, as_lines: bool) -> list[Result]:
    """Do the jobs and print each row as it comes."""
    rows = []
    for row in _rows(jobs, executor, save):
        rows.append(row)
        if as_lines:
            _print_line(row_object(row) | {"seed": row.job.seed})
        else:
            click.echo(_line(row, seeds=len({job.seed for job in jobs}) > 1))
    return rows


def _rows(jobs: Iterable[Job], executor: Executor, save: bool) -> Iterator[Result]:
    from workbench.sweep import sweep as rows

    with saving(save) as store, ProgressLine() as report:
        for row in rows(jobs, executor=executor, store=store, report=report):
            report.clear()
            yield row


def _chosen(name: str | None, workers: int, scheduler: str) -> Executor:
    """Return the executor that is named, or the one that the other options are for."""
    from workbench.registry import executors

    if name is None:
        name = "dask" if scheduler else "processes" if workers > 1 else "inline"
    return executors.get(name)(workers=workers, scheduler=scheduler)


def _seeds(text: str | None, seed: int) -> list[int]:
    try:
        return [seed] if text is None else [*dict.fromkeys(int(part) for part in text.split(","))]
    except ValueError:
        raise click.BadParameter(f"expected whole numbers such as 0,1,2, got {text!r}", param_hint="--seeds") from None


def _line(row: Result, *, seeds: bool) -> str:
    about = f"{row.job.recipe}, seed {row.job.seed}" if seeds else str(row.job.recipe)
    if row.status is not Status.OK:
        return f"{row.status}: {about}: {row.message}"
    return f"{value(row.estimates['accuracy'])}  {value(row.estimates['size_bytes'])}  {about}"


def _unbeaten(rows: list[Result]) -> str:
    """Return a table of the rows that none beats."""
    best = front(rows)
    if not best:
        return ""
    cells = [["Accuracy", "", "File size", "Recipe"]]
    for row in best:
        accuracy, size = row.estimates["accuracy"], row.estimates["size_bytes"]
        cells.append([value(accuracy), how(accuracy), value(size), str(row.job.recipe)])
    return (
        f"\nNo other of the {len(rows)} is both smaller and more accurate than these; the best of many on the same "
        f"test images looks better than it is:\n{table(cells)}"
    )


def _complaints(rows: list[Result], *, saved: bool) -> Exit | None:
    """Say what went wrong, and return the exit code for it."""
    failed = sum(row.status is not Status.OK for row in rows)
    lost = sum(any(note.startswith(_LOST) for note in row.notes) for row in rows) if saved else 0
    if failed:
        complain(f"{failed} of {len(rows)} jobs failed: see their messages")
    if lost:
        complain(f"{lost} of {len(rows)} results were measured but could not be saved: see their notes")
    return Exit.REFUSED if failed or lost else None


_LOST = "this result was not saved"


def _print_line(content: object) -> None:
    click.echo(json.dumps(content, ensure_ascii=False))
