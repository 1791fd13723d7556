"""`workbench search budget`: the best recipe within limits, with proof."""

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
from workbench.cli.run import final_row
from workbench.cli.show import comparison, print_json, row_object, table
from workbench.errors import Refused
from workbench.files import write_whole
from workbench.recipe import Recipe
from workbench.result import Job

if TYPE_CHECKING:
    from workbench.search.contender import Contender
    from workbench.search.limits import Limits


@click.command(cls=RecipeCommand)
@job_options
@limit_options
@click.option("--protect", multiple=True, metavar="LAYER", help="Leave this layer as it is; may be given again.")
@click.option("--images", default=1000, show_default=True, help="Validation images that judge, at the most.")
@click.option("--out", type=click.Path(dir_okay=False, path_type=Path), help="Write the recipe here, as JSON.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@click.pass_context
def budget(
    ctx: click.Context,
    job: Job,
    limits: Limits,
    protect: tuple[str, ...],
    images: int,
    out: Path | None,
    as_json: bool,
) -> None:
    """Find the best recipe for MODEL within what you can afford.

    Each layer is measured alone, a plan for all of them is solved exactly, made for real and compared with the best
    uniform setting of the same cost. All of that is on validation images; the answer is then measured on test images.
    """
    from workbench.search.budget import contend, ground, least, verdict
    from workbench.search.contender import best_of

    if job.recipe.steps:
        raise Refused("a budget starts from the original: leave --recipe and the options of techniques out")
    with ProgressLine() as report:
        found = ground(job, limits, protected=frozenset(protect), images=images, report=report)
        plan = found.plan(dataclasses.replace(limits, drop=None)) if _costly(limits) else None
        stream = contend(found, limits, report) if limits.drop is None else least(found, limits, report)
        tried = list(stream)
    smallest = limits.drop is not None
    kept = [each for each in tried if each.keeps]
    best = min(kept, key=lambda each: each.costs["size_bytes"], default=None) if smallest else best_of(tried)
    if best is None:
        sentence = (plan.message if plan else "") or f"nothing that was tried keeps to {limits}"
        if as_json:
            print_json({"status": "infeasible", "message": sentence, "tried": [_object(each) for each in tried]})
        complain(sentence)
        ctx.exit(Exit.INFEASIBLE)
    row = final_row(dataclasses.replace(job, recipe=best.recipe))
    if out is not None:
        write_whole(out, best.recipe.to_json().encode())
    words = "the smallest of those that keep what was asked for" if smallest else verdict(tried)
    if as_json:
        proof = {"loss": plan.loss, "bound": plan.bound, "gap": plan.gap} if plan else None
        content = {"status": "ok", "verdict": words, "plan": proof, "tried": [_object(each) for each in tried]}
        print_json(content | {"chosen": best.recipe.to_dict(), "row": row_object(row)})
        return
    heads = ["tried", "file", "nats", "points lost (validation)", "keeps"]
    click.echo(table([heads, *map(_cells, tried)]))
    click.echo(f"\n{words}\n\n{best.recipe}\n")
    if plan is not None and plan.recipe.steps:
        click.echo(
            f"The plan is the best by its forecast: {plan.loss:.4g} nats, bound {plan.bound:.4g}, gap {plan.gap:.2g}."
        )
    click.echo(comparison(final_row(dataclasses.replace(job, recipe=Recipe())), row))


def _costly(limits: Limits) -> bool:
    return limits.size_bytes is not None or limits.structural


def _object(each: Contender) -> dict[str, Any]:
    judged = each.trial.judgement
    return {
        "title": each.title,
        "keeps": each.keeps,
        "recipe": each.recipe.to_dict(),
        "costs": dict(each.costs),
        "divergence": dataclasses.asdict(judged.divergence),
        "drop": dataclasses.asdict(judged.drop),
    }


def _cells(each: Contender) -> list[str]:
    judged = each.trial.judgement
    drop = judged.drop
    return [
        each.title,
        f"{each.costs['size_bytes']:,.0f} B",
        f"{judged.divergence.value:.4g} [{judged.divergence.low:.3g}, {judged.divergence.high:.3g}]",
        f"{100 * drop.value:.2f} [{100 * drop.low:.2f}, {100 * drop.high:.2f}]",
        "yes" if each.keeps else "no",
    ]
