"""`workbench list`: what there is to choose from."""

from __future__ import annotations

import dataclasses
from typing import Any

import click

from workbench import registry
from workbench.cli.shipped import shipped
from workbench.cli.show import print_json, table


@click.command(name="list")
@click.argument("kind", type=click.Choice(["models", "data", "techniques", "recipes", "exports", "devices"]))
@click.option("--json", "as_json", is_flag=True, help="Print one JSON array.")
def listing(kind: str, as_json: bool) -> None:
    """List the models, data sets, techniques, recipes, export formats or devices that there are."""
    made = {"models": _models, "data": _data, "techniques": _techniques, "recipes": _recipes, "exports": _exports}
    made["devices"] = _devices
    rows, families = made[kind]()
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
    "recipes": ("name", "model", "summary"),
    "exports": ("name", "suffix", "runtime", "summary"),
    "devices": ("name", "title", "computes_in", "flash_bytes", "ram_bytes", "summary"),
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


def _recipes() -> tuple[list[dict[str, Any]], tuple[str, ...]]:
    rows = [
        {"name": name, "model": model, "summary": str(recipe), "recipe": recipe.to_dict()}
        for name, model, recipe in shipped()
    ]
    return rows, ()


def _exports() -> tuple[list[dict[str, Any]], tuple[str, ...]]:
    facts = ("name", "title", "suffix", "runtime", "summary", "hurts_when")
    return [{fact: getattr(item, fact) for fact in facts} for item in registry.exports], registry.exports.families()


def _devices() -> tuple[list[dict[str, Any]], tuple[str, ...]]:
    from workbench.devices.shelf import devices

    rows = []
    for profile in devices():
        row = {key: value for key, value in dataclasses.asdict(profile).items() if value not in (None, {})}
        sizes = {key: int(row[key]["value"]) if key in row else None for key in ("flash_bytes", "ram_bytes")}
        rows.append(row | sizes | {"runs": sorted(profile.runs), "computes_in": list(profile.rates)})
    return rows, ()


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
