"""`workbench list`: what there is to choose from."""

from __future__ import annotations

import dataclasses
from typing import Any

import click

from workbench import registry
from workbench.cli.show import print_json, table


@click.command(name="list")
@click.argument("kind", type=click.Choice(["models", "data", "techniques"]))
@click.option("--json", "as_json", is_flag=True, help="Print one JSON array.")
def listing(kind: str, as_json: bool) -> None:
    """List the models, the data sets or the techniques."""
    rows, families = {"models": _models, "data": _data, "techniques": _techniques}[kind]()
    if as_json:
        print_json(rows)
        return
    shown = [key for key in _COLUMNS[kind] if rows]
    click.echo(table([shown, *[[_cell(row[key]) for key in shown] for row in rows]]))
    if families:
        click.echo(f"and {', '.join(families)}")


_COLUMNS = {
    "models": ("name", "input_shape", "classes", "parameters", "data", "summary"),
    "data": ("name", "shape", "train", "test", "licence", "summary"),
    "techniques": ("name", "title", "flags", "summary"),
}


def _models() -> tuple[list[dict[str, Any]], tuple[str, ...]]:
    return [dataclasses.asdict(model.card) for model in registry.models], registry.models.families()


def _data() -> tuple[list[dict[str, Any]], tuple[str, ...]]:
    return [dataclasses.asdict(data.card) for data in registry.data], registry.data.families()


def _techniques() -> tuple[list[dict[str, Any]], tuple[str, ...]]:
    facts = ("name", "title", "summary", "paper", "hurts_when", "trains")
    rows = [
        {fact: getattr(cls, fact) for fact in facts}
        | {"flags": [f"--{flag}" for flag in cls.flags]}
        | {"defaults": {key: value for key, value in cls().to_dict().items() if key != "step"}}
        for cls in sorted(registry.techniques, key=lambda cls: cls.order)
    ]
    return rows, registry.techniques.families()


def _cell(value: Any) -> str:
    match value:
        case None:
            return ""
        case int() if not isinstance(value, bool):
            return f"{value:,}"
        case tuple() | list() if all(isinstance(item, int) for item in value):
            return "x".join(map(str, value))
        case tuple() | list():
            return " ".join(map(str, value))
        case _:
            return str(value)
