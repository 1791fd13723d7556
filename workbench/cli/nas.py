"""`workbench search nas`: a smaller architecture, beside random search."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, TypeVar

import click

from workbench.cli.exits import Exit, complain
from workbench.cli.progress import ProgressLine
from workbench.cli.show import how, print_json, row_object, value
from workbench.errors import Cancelled, Refused
from workbench.registry import spaces
from workbench.result import DataRef, Result, Status

if TYPE_CHECKING:
    from workbench.search.candidate import Candidate
    from workbench.search.nas_plan import Plan
    from workbench.search.outcome import Outcome

T = TypeVar("T")


@click.command()
@click.argument("space")
@click.option("--data", required=True, metavar="DATA", help="Data set; see `workbench list data`.")
@click.option("--root", default="", metavar="DIR", help="Folder of the data set's files.")
@click.option("--strategy", default="nsga2", show_default=True, help="nsga2, tpe, supernet or random.")
@click.option("--trials", default=16, show_default=True, help="How many networks each arm judges.")
@click.option("--objective", default="size_bytes", show_default=True, metavar="COST", help="What should be small.")
@click.option(
    "--at-most", multiple=True, metavar="COST=NUMBER", help="A limit, such as macs=1e6; may be given for several costs."
)
@click.option("--device", default="", metavar="DEVICE", help="Networks must run and fit there.")
@click.option(
    "--only", multiple=True, metavar="FIELD=A+B", help="Values that a field is limited to; may be given again."
)
@click.option("--epochs", default=4.0, show_default=True, help="How long each candidate is trained.")
@click.option(
    "--finish",
    type=click.IntRange(0),
    default=3,
    show_default=True,
    metavar="K",
    help="Train up to K networks of the front fully, the most accurate first, and measure them on test images.",
)
@click.option("--seed", default=0, show_default=True, help="Seed of everything random.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object on standard output.")
@click.pass_context
def nas(
    ctx: click.Context,
    space: str,
    data: str,
    root: str,
    strategy: str,
    trials: int,
    objective: str,
    at_most: tuple[str, ...],
    device: str,
    only: tuple[str, ...],
    epochs: float,
    finish: int,
    seed: int,
    as_json: bool,
) -> None:
    """Search SPACE for networks that are small and accurate, beside random search.

    Each candidate is judged on validation images. Ctrl-C ends the search; what was found until then is shown. A network
    that was found is a model like any other under its name: `workbench train NAME`, `workbench run NAME`.
    """
    import torch

    from workbench.search.nas_plan import Plan
    from workbench.search.outcome import outcome

    torch.set_num_threads(1)  # sums of several threads differ in their last bits: one seed would find several networks
    plan = Plan(
        space=space,
        data=DataRef(name=data, root=root),
        strategy=strategy,
        trials=trials,
        objective=objective,
        limits=tuple(map(_limit, at_most)),
        device=device,
        only=dict(_allowed(space, text) for text in only),
        epochs=epochs,
        seed=seed,
    )
    candidates: list[Candidate] = []
    rows: list[Result] = []
    stopped = _until_interrupted(_searched(plan), candidates, lambda tried: _tell(_line(tried, plan), as_json))
    found = outcome(plan, candidates)
    if found.front:
        _tell("\n".join(_told(found, plan)), as_json)
    if not stopped:
        stopped = _until_interrupted(_finished(plan, found, finish), rows, lambda row: _tell(_final(row), as_json))
    if as_json:
        print_json(_object(plan, candidates, found, rows))
    if stopped:
        complain("interrupted")
        ctx.exit(Exit.INTERRUPTED)
    if not found.front:
        complain(found.sentence)
        ctx.exit(Exit.INFEASIBLE)


def _until_interrupted(rows: Iterator[T], kept: list[T], tell: Callable[[T], None]) -> bool:
    """Keep and tell rows as they come, and return whether a person interrupted."""
    try:
        for row in rows:
            kept.append(row)
            tell(row)
    except (KeyboardInterrupt, Cancelled):
        return True
    return False


def _searched(plan: Plan) -> Iterator[Candidate]:
    from workbench.search.nas import search_architectures

    with ProgressLine() as report:
        for candidate in search_architectures(plan, report=report):
            report.clear()
            yield candidate


def _finished(plan: Plan, found: Outcome, most: int) -> Iterator[Result]:
    """Yield the rows of networks of the front, the most accurate first."""
    from workbench.search.finish import finished

    for candidate in list(reversed(found.front))[:most]:
        with ProgressLine() as report:
            row = finished(candidate.name, plan.data, plan.seed, report=report)
        yield row


def _tell(text: str, as_json: bool) -> None:
    if not as_json:
        click.echo(text)


def _line(candidate: Candidate, plan: Plan) -> str:
    number = f"{candidate.number}" if candidate.judged else "-"
    settings = candidate.name.partition(":")[2].replace(",", " ")
    if not candidate.judged:
        return f"{candidate.arm:8}{number:>4}  {settings}  infeasible: {candidate.message}"
    accuracy, cost = candidate.estimates["accuracy"], candidate.estimates[plan.objective]
    return f"{candidate.arm:8}{number:>4}  {settings}  {value(accuracy)}, {plan.objective} {value(cost)}"


def _told(found: Outcome, plan: Plan) -> Iterator[str]:
    yield "\nNot beaten by any other, accuracy on validation images:"
    for candidate in found.front:
        accuracy, cost = candidate.estimates["accuracy"], candidate.estimates[plan.objective]
        yield f"  {candidate.name}  ({candidate.arm})\n    {value(accuracy)}, {plan.objective} {value(cost)}"
    yield f"\n{found.sentence}"


def _final(row: Result) -> str:
    if row.status is not Status.OK:
        return f"{row.job.model.name}: {row.message}"
    accuracy, size = row.estimates["accuracy"], row.estimates["size_bytes"]
    return f"trained fully: {row.job.model.name}\n    test accuracy {value(accuracy)}, {how(accuracy)}; {value(size)}"


def _object(plan: Plan, candidates: list[Candidate], found: Outcome, rows: list[Result]) -> dict[str, Any]:
    ahead = found.ahead
    return {
        "plan": plan.to_dict(),
        "candidates": [candidate.to_dict() for candidate in candidates],
        "front": [candidate.name for candidate in found.front],
        "covered": dict(found.covered),
        "ahead": ahead and {"value": ahead.value, "low": ahead.low, "high": ahead.high, "images": ahead.n},
        "best": {arm: candidate.name for arm, candidate in found.best.items()},
        "sentence": found.sentence,
        "finished": [row_object(row) for row in rows],
    }


def _limit(text: str) -> tuple[str, float]:
    name, equals, number = text.partition("=")
    try:
        if not equals:
            raise ValueError
        return name, float(number)
    except ValueError:
        raise Refused(f"--at-most takes COST=NUMBER, such as macs=1e6, got {text!r}") from None


def _allowed(space: str, text: str) -> tuple[str, list[Any]]:
    name, equals, listed = text.partition("=")
    known = {field.name: field for field in spaces.get(space).fields()}
    if not equals or name not in known:
        raise Refused(f"--only takes FIELD=A+B with one of the fields {', '.join(known)}, got {text!r}")
    return name, [known[name].spec.parse(part) for part in filter(None, listed.split("+"))]
