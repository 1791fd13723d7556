"""`workbench auto`: a target in, the best network out."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from workbench.cli.exits import Exit, complain
from workbench.cli.job import job_options
from workbench.cli.limits import limit_options
from workbench.cli.progress import ProgressLine
from workbench.cli.recipes import RecipeCommand
from workbench.cli.show import print_json, row_object
from workbench.errors import Cancelled, Refused
from workbench.files import write_whole
from workbench.result import Job, Status

if TYPE_CHECKING:
    from workbench.auto import Attempt, Ending
    from workbench.search.limits import Limits


@click.command(cls=RecipeCommand)
@job_options
@limit_options
@click.option("--seconds", default=600.0, show_default=True, help="Time to search; the best so far is then taken.")
@click.option("--train/--no-train", default=True, show_default=True, help="Whether it may train.")
@click.option("--protect", multiple=True, metavar="LAYER", help="Leave this layer as it is; may be given again.")
@click.option("--images", default=1000, show_default=True, help="Validation images that judge, at the most.")
@click.option("--out", type=click.Path(dir_okay=False, path_type=Path), help="Write the packed file of the best here.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@click.pass_context
def auto(
    ctx: click.Context,
    job: Job,
    limits: Limits,
    seconds: float,
    train: bool,
    protect: tuple[str, ...],
    images: int,
    out: Path | None,
    as_json: bool,
) -> None:
    """Compress MODEL to a target by itself: it prepares, searches and trains, and says what it tried in vain.

    Interrupt it at any moment: the best so far is kept among the saved results.
    """
    from workbench.auto import auto_compress, ending
    from workbench.run import packed_file
    from workbench.store import Store

    if job.recipe.steps:
        raise Refused("auto chooses the steps itself: leave --recipe and the options of techniques out")
    attempts: list[Attempt] = []
    stopped = False
    with Store() as store:
        try:
            with ProgressLine() as report:
                for each in auto_compress(
                    job,
                    limits,
                    seconds=seconds,
                    train=train,
                    protected=frozenset(protect),
                    images=images,
                    report=report,
                    store=store,
                ):
                    attempts.append(each)
                    if not as_json:
                        click.echo(_line(each))
        except (KeyboardInterrupt, Cancelled):
            stopped = True
        found = ending(attempts, limits, stopped=stopped)
        complains = found.status is not Status.OK and not stopped  # its first sentence is the complaint
        if out is not None and found.best is not None and found.best.row is not None:
            chosen = dataclasses.replace(job, recipe=found.best.contender.recipe)
            write_whole(out, packed_file(chosen, store=store))
    if as_json:
        print_json(_object(found, attempts))
    else:
        click.echo("\n" + "\n".join(f"- {sentence}" for sentence in found.sentences[complains:]))
    if stopped:
        ctx.exit(Exit.INTERRUPTED)
    if complains:
        complain(found.sentences[0])
        ctx.exit(Exit.INFEASIBLE)


def _line(each: Attempt) -> str:
    contender = each.contender
    drop = contender.trial.judgement.drop
    mark = "best" if each.best else "    " if contender.keeps else "over"
    lost = f"{100 * drop.value:+6.2f} points lost [{100 * drop.low:+.2f}, {100 * drop.high:+.2f}] (validation)"
    return f"{each.seconds:6.0f} s  {mark}  {contender.costs['size_bytes']:10,.0f} B  {lost}  {contender.title}"


def _object(found: Ending, attempts: list[Attempt]) -> dict[str, Any]:
    best = found.best
    return {
        "status": str(found.status),
        "sentences": list(found.sentences),
        "attempts": [
            {
                "title": each.contender.title,
                "seconds": each.seconds,
                "best": each.best,
                "keeps": each.contender.keeps,
                "size_bytes": each.contender.costs["size_bytes"],
                "drop": each.contender.trial.judgement.drop.value,
                "recipe": each.contender.recipe.to_dict(),
            }
            for each in attempts
        ],
        "row": None if best is None or best.row is None else row_object(best.row),
    }
