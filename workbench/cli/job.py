"""The options that describe a job, shared by `run` and `export`."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import click

from workbench import link
from workbench.cli.progress import ProgressLine
from workbench.cli.recipes import chosen_recipe, given_steps
from workbench.errors import Refused
from workbench.result import DataRef, Job, ModelRef

RECORDED = f"{__name__}.recorded"
"""Where a command finds the recorded job that it was given as its recipe, in the meta of its context."""


def job_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Decorate a `RecipeCommand` so that it takes a `job` from its options."""

    @click.argument("model", required=False, default="")
    @click.option("--data", default="", metavar="DATA", help="Data set; see `workbench list data`.  [required]")
    @click.option("--root", default="", metavar="DIR", help="Folder of the data set's files.")
    @click.option("--test-data", metavar="DATA", help="Measure on the test split of other data.")
    @click.option("--checkpoint", default="", metavar="FILE", help="Weights of your own: safetensors or a torch file.")
    @click.option("--mean", callback=_numbers, metavar="A,B,C", help="Mean of the inputs of your own network.")
    @click.option("--std", callback=_numbers, metavar="A,B,C", help="Standard deviation of its inputs.")
    @click.option("--device", default="cpu", show_default=True, help="Where to compute: cpu, cuda, ...")
    @click.option("--seed", default=0, show_default=True, help="Seed of everything random.")
    @click.option(
        "--recipe",
        metavar="FILE",
        help="Steps: a JSON file, '-', a name of `workbench list recipes`, or a recorded job or a link ('#w1=...', in "
        "quotes) with its model and data.",
    )
    @click.pass_context
    @functools.wraps(command)
    def wrapped(ctx: click.Context, /, **given: Any) -> Any:
        options = {name: given.pop(name) for name in _OF_JOB}
        if options["recipe"] is not None and link.carries(options["recipe"]):
            return command(job=_linked(ctx, options), **given)
        recorded = recorded_job(options["recipe"])
        if recorded is None:
            return command(job=_asked(ctx, options), **given)
        ctx.meta[RECORDED] = recorded
        return command(job=_again(ctx, recorded, options), **given)

    return wrapped


_OF_JOB = ("model", "data", "root", "test_data", "checkpoint", "mean", "std", "device", "seed", "recipe")


def _asked(ctx: click.Context, options: dict[str, Any]) -> Job:
    """Return the job that the options describe."""
    model, data, root, test_data = (options[name] for name in ("model", "data", "root", "test_data"))
    if not model:
        raise click.MissingParameter(ctx=ctx, param_hint="'MODEL'", param_type="argument")
    if not data:
        raise click.MissingParameter(ctx=ctx, param_hint="'--data'", param_type="option")
    return Job(
        model=ModelRef(name=model, **{name: options[name] for name in ("checkpoint", "mean", "std")}),
        data=DataRef(name=data, root=root),
        recipe=chosen_recipe(ctx, options["recipe"], model),
        test_data=None if test_data is None else DataRef(name=test_data, root=root),
        device=options["device"],
        seed=options["seed"],
    )


def _linked(ctx: click.Context, options: dict[str, Any]) -> Job:
    """Return the job of a link, with the folders of this machine; raises `Refused` where anything else is asked."""
    job = link.read(options["recipe"])
    _same_job(ctx, "link", job, options)
    if options["checkpoint"] or options["mean"] or options["std"] or options["test_data"]:
        raise Refused("a link names no weights, preprocessing or test data of your own: leave their options out")
    return dataclasses.replace(job, data=DataRef(name=job.data.name, root=options["root"]), device=options["device"])


def _same_job(ctx: click.Context, what: str, job: Job, options: dict[str, Any]) -> None:
    for title, wanted, found in (
        ("MODEL", options["model"], job.model.name),
        ("--data", options["data"], job.data.name),
    ):
        if wanted and wanted != found:
            raise Refused(f"the {what} is of {found}, got {title} {wanted}: leave it out")
    if given_steps(ctx):
        raise Refused(f"a {what} is done as it is: leave the options of techniques out")


def _again(ctx: click.Context, recorded: Mapping[str, Any], options: dict[str, Any]) -> Job:
    """Return a recorded job, with the folders of this machine; raises `Refused` where anything else is asked."""
    from workbench.delivery import check_recorded

    job = Job.from_dict(recorded.get("job", {}))
    _same_job(ctx, "recorded job", job, options)
    if options["checkpoint"]:
        job = dataclasses.replace(job, model=dataclasses.replace(job.model, checkpoint=options["checkpoint"]))
    if root := options["root"]:
        test = job.test_data and dataclasses.replace(job.test_data, root=root)
        job = dataclasses.replace(job, data=dataclasses.replace(job.data, root=root), test_data=test)
    with ProgressLine() as report:
        check_recorded(recorded, job, report=report)
    return job


def recorded_job(named: str | None) -> Mapping[str, Any] | None:
    """Return the content of the file where it is a recorded job; None for steps, names and standard input."""
    if named is None or named == "-" or not Path(named).is_file():
        return None
    try:
        text = Path(named).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return None  # whoever reads the steps says what is wrong
    if '"kind"' not in text:
        return None
    from workbench.export.recipe import read

    return read(text)


def _numbers(_: click.Context, option: click.Parameter, text: str | None) -> tuple[float, ...]:
    try:
        return tuple(float(part) for part in text.split(",")) if text else ()
    except ValueError:
        raise click.BadParameter(f"expected numbers such as 0.5,0.5,0.5, got {text!r}") from None
