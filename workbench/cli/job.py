"""The options that describe a job, shared by `run` and `export`."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import click

from workbench.cli.recipes import chosen_recipe
from workbench.result import DataRef, Job, ModelRef


def job_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Decorate a `RecipeCommand` so that it takes a `job` from its options."""

    @click.argument("model")
    @click.option("--data", required=True, metavar="DATA", help="Data set; see `workbench list data`.")
    @click.option("--root", default="", metavar="DIR", help="Folder of the data set's files.")
    @click.option("--test-data", metavar="DATA", help="Measure on the test split of other data.")
    @click.option("--checkpoint", default="", metavar="FILE", help="Weights of your own: safetensors or a torch file.")
    @click.option("--mean", callback=_numbers, metavar="A,B,C", help="Mean of the inputs of your own network.")
    @click.option("--std", callback=_numbers, metavar="A,B,C", help="Standard deviation of its inputs.")
    @click.option("--device", default="cpu", show_default=True, help="Where to compute: cpu, cuda, ...")
    @click.option("--seed", default=0, show_default=True, help="Seed of everything random.")
    @click.option("--recipe", "recipe_file", metavar="FILE", help="Steps as JSON, '-' for standard input.")
    @click.pass_context
    @functools.wraps(command)
    def wrapped(ctx: click.Context, /, **given: Any) -> Any:
        root, test_data = given.pop("root"), given.pop("test_data")
        weights = {name: given.pop(name) for name in ("checkpoint", "mean", "std")}
        job = Job(
            model=ModelRef(name=given.pop("model"), **weights),
            data=DataRef(name=given.pop("data"), root=root),
            recipe=chosen_recipe(ctx, given.pop("recipe_file")),
            test_data=None if test_data is None else DataRef(name=test_data, root=root),
            device=given.pop("device"),
            seed=given.pop("seed"),
        )
        return command(job=job, **given)

    return wrapped


def _numbers(_: click.Context, option: click.Parameter, text: str | None) -> tuple[float, ...]:
    try:
        return tuple(float(part) for part in text.split(",")) if text else ()
    except ValueError:
        raise click.BadParameter(f"expected numbers such as 0.5,0.5,0.5, got {text!r}") from None
