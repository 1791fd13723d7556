"""`workbench search sensitivity`: what each layer bears."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import click

from workbench.cli.job import job_options
from workbench.cli.progress import ProgressLine
from workbench.cli.recipes import RecipeCommand
from workbench.cli.show import print_json, table
from workbench.errors import Refused
from workbench.result import Estimate, Job

if TYPE_CHECKING:
    from workbench.search.sensitivity import Sensitivity

_HEADS = ("layer", "technique", "value", "drop [low, high]", "divergence [low, high]", "score", "saved", "images")


@click.command(cls=RecipeCommand)
@job_options
@click.option("--technique", "names", multiple=True, metavar="NAME", help="Only this one; may be given again.")
@click.option("--values", metavar="A,B,C", help="Values to try, for one technique: bits, ratios, shares.")
@click.option("--images", type=click.IntRange(1), help="Validation images that judge, at the most.  [default: 512]")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def sensitivity(job: Job, names: tuple[str, ...], values: str | None, images: int | None, as_json: bool) -> None:
    """Compress each layer of MODEL alone and measure what that costs, on validation images.

    A line tells of each measurement, the layers that lose most in front; the table at the end has them all. The score
    is what a solver would go by without a measurement: the share of its outputs that the layer loses.
    """
    from workbench.search import sensitivity as engine

    given = _values(names, values)
    last: dict[tuple[str, str, Any], Sensitivity] = {}
    with ProgressLine() as report:
        wanted: dict[str, Any] = {"techniques": names or None, "values": given, "images": images or engine.IMAGES}
        for item in engine.sensitivity(job, report=report, **wanted):
            last[item.layer, item.technique, item.value] = item
            if not as_json:
                click.echo(_line(item), err=True)
    known = {name: engine.agreement(i for i in last.values() if i.technique == name) for name in _techniques(last)}
    if as_json:
        print_json({"items": [_object(item) for item in last.values()], "agreement": _agreements(known)})
        return
    click.echo(table([_HEADS, *(_cells(item) for item in last.values())]))
    for name, found in known.items():
        click.echo(f"{name}: {engine.agreement_words(found)}")


def _values(names: tuple[str, ...], text: str | None) -> dict[str, tuple[Any, ...]] | None:
    if text is None:
        return None
    if len(names) != 1:
        raise Refused("--values are those of one technique: name it with --technique")
    from workbench.recipe import PerLayer
    from workbench.registry import techniques

    fields = techniques.get(names[0]).fields()
    specs = [field.spec.item for field in fields if isinstance(field.spec, PerLayer)]
    return {names[0]: tuple(specs[0].parse(part) for part in text.split(","))} if specs else None


def _techniques(last: dict[tuple[str, str, Any], Sensitivity]) -> list[str]:
    return list(dict.fromkeys(name for _, name, _ in last))


def _line(item: Sensitivity) -> str:
    cells = _cells(item)
    told = item.why or f"drop {cells[3]}, divergence {cells[4]}, {cells[6]} saved"
    return f"{item.done}/{item.of} {item.layer} {item.technique} {item.value}: {told}"


def _cells(item: Sensitivity) -> list[str]:
    head = [item.layer, item.technique, str(item.value)]
    if item.judgement is None:
        return [*head, item.why, *[""] * 4]
    drop, divergence = item.judgement.drop, item.judgement.divergence
    return [
        *head,
        f"{100 * drop.value:.2f} % [{100 * drop.low:.2f}, {100 * drop.high:.2f}]",
        f"{divergence.value:.3g} [{divergence.low:.2g}, {divergence.high:.2g}]",
        "-" if item.score is None else f"{item.score:.3g}",
        f"{item.saved_bytes:,} B",
        str(drop.n),
    ]


def _object(item: Sensitivity) -> dict[str, Any]:
    found = {"layer": item.layer, "technique": item.technique, "value": item.value, "why": item.why}
    if item.judgement is not None:
        judged = item.judgement
        found |= {"drop": _bounds(judged.drop), "divergence": _bounds(judged.divergence)}
        found |= {"accuracy": _bounds(judged.accuracy), "images": judged.drop.n}
    return found | {"score": item.score, "saved_bytes": item.saved_bytes, "seconds": item.seconds}


def _agreements(known: dict[str, Estimate | None]) -> dict[str, Any]:
    return {name: None if found is None else _bounds(found) for name, found in known.items()}


def _bounds(estimate: Estimate) -> dict[str, Any]:
    """Return an estimate as plain JSON, which has no infinity: null is a network whose scores are no numbers."""
    ends = {name: getattr(estimate, name) for name in ("value", "low", "high")}
    return {name: end if math.isfinite(end) else None for name, end in ends.items()} | {"how": estimate.how}
