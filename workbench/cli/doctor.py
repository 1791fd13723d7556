"""`workbench doctor`: how fast a job's network is beside its original, and why it is not faster."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

import click

from workbench.cli.job import job_options
from workbench.cli.progress import ProgressLine
from workbench.cli.recipes import RecipeCommand, named_recipe
from workbench.cli.show import print_json, table
from workbench.result import Estimate, Job

if TYPE_CHECKING:
    from workbench.checkup import Checkup


@click.command(cls=RecipeCommand)
@job_options
@click.option("--against", metavar="FILE", help="Compare with what this recipe makes, instead of with the original.")
@click.option("--batch", default=1, show_default=True, help="Images at a time.")
@click.option("--threads", default=1, show_default=True, help="Threads that compute.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object on standard output.")
def doctor(job: Job, against: str | None, batch: int, threads: int, as_json: bool) -> None:
    """Time what the steps make of MODEL, in torch and as ONNX files, and say what holds it back."""
    from workbench.checkup import check_up

    other = None if against is None else dataclasses.replace(job, recipe=named_recipe(against, job.model.name))
    with ProgressLine() as report:
        found = check_up(job, against=other, batch=batch, threads=threads, report=report)
    if as_json:
        print_json(_plain(found))
    else:
        click.echo(_text(found))


def _plain(found: Checkup) -> dict[str, Any]:
    speed = found.speed
    shown = ("name", "base", "now", "faster")
    lanes = [{key: _json(getattr(lane, key)) for key in shown} for lane in speed.lanes]
    return {
        "status": "ok",
        "message": "",
        "model": found.job.model.name,
        "data": found.job.data.name,
        "recipe": found.job.recipe.to_dict(),
        "against": found.against.recipe.to_dict(),
        "batch": speed.batch,
        "threads": speed.threads,
        "noise": speed.noise,
        "noisy": speed.noisy,
        "runtimes": lanes,
        "layers": {name: {"base": _json(each.base), "now": _json(each.now)} for name, each in speed.layers.items()},
        "findings": [dataclasses.asdict(finding) for finding in found.findings],
        "notes": list(found.notes),
    }


def _json(value: Any) -> Any:
    return dataclasses.asdict(value) if isinstance(value, Estimate) else value


def _text(found: Checkup) -> str:
    speed = found.speed
    rows = [["", "compared with", "now", "times as fast"]]
    rows += [[lane.name, _ms(lane.base), _ms(lane.now), _span(lane.faster)] for lane in speed.lanes]
    busy = "too busy to tell" if speed.noisy else "quiet enough"
    lines = [
        table(rows),
        f"batch {speed.batch}, {speed.threads} threads; the machine was {busy}: a yardstick of constant work "
        f"scattered by {100 * (speed.noise - 1):.0f} %",
    ]
    for number, finding in enumerate(found.findings, 1):
        worth = f" (about {_ms(finding.ms)}, {finding.ms.how})" if finding.ms is not None else ""
        lines += [f"{number}. {finding.title}{worth}: {finding.sentence}.", f"   What to do: {finding.advice}."]
    return "\n".join([*lines, *(f"- {note}" for note in found.notes)])


def _ms(estimate: Estimate) -> str:
    return f"{estimate.value:.3g} ms [{estimate.low:.3g}, {estimate.high:.3g}]"


def _span(estimate: Estimate) -> str:
    return f"{estimate.value:.2f} [{estimate.low:.2f}, {estimate.high:.2f}]"
