"""Recipes on the command line: a file, and options that are made from the registry of techniques when a command runs.

So a new technique has its options without a line here: `--NAME field=value,...` and the short ones that it declares.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from workbench.cli.shipped import find, is_name
from workbench.cli.show import PROMISED, print_json
from workbench.errors import Refused, reason
from workbench.recipe import Choice, Field, ModelName, PerLayer, Range, Recipe, Spec, Step, Switch
from workbench.registry import techniques

_OPTIONS, _GIVEN = f"{__name__}.options", f"{__name__}.given"


class RecipeCommand(click.Command):
    """A command whose options include the techniques; `chosen_recipe` reads what was given."""

    def get_params(self, ctx: click.Context) -> list[click.Parameter]:
        """Return the declared parameters, then the options of all techniques."""
        own = super().get_params(ctx)
        if _OPTIONS not in ctx.meta:
            ctx.meta[_OPTIONS] = _technique_options({name for param in own for name in param.opts})
        return [*own[:-1], *ctx.meta[_OPTIONS], own[-1]]  # the last one is --help

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the help of the options in two parts: the command's own, and those of the techniques."""
        made = ctx.meta[_OPTIONS]
        own = [param for param in self.get_params(ctx) if param not in made]
        for title, params in (("Options", own), ("Techniques; a value alone is for the first field", made)):
            with formatter.section(title):
                records = [param.get_help_record(ctx) for param in params if isinstance(param, click.Option)]
                formatter.write_dl([record for record in records if record is not None])

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command; with --json, what it refuses is one object on standard output too."""
        try:
            return super().invoke(ctx)
        except Refused as refusal:
            if ctx.params.get("as_json"):
                given = {key: ctx.params.get(key) for key in ("model", "data")}
                print_json(dict.fromkeys(PROMISED) | {"status": "failed", "message": str(refusal)} | given)
            raise


def named_recipe(named: str, model: str) -> Recipe:
    """Return the recipe of a file, of standard input ("-"), or of the workbench's own by name. Raises `Refused`."""
    return find(named, model) if is_name(named) else _read(named)


def chosen_recipe(ctx: click.Context, named: str | None, model: str) -> Recipe:
    """Return the steps of the recipe that is named, then those of the options in the usual order of techniques.

    `named` is a file, "-" for standard input, or the name of a recipe that comes with the workbench.
    """
    written = () if named is None else named_recipe(named, model).steps
    given: dict[str, dict[str | None, str]] = ctx.meta.get(_GIVEN, {})
    steps = [_step(techniques.get(name), settings) for name, settings in given.items()]
    return Recipe((*written, *sorted(steps, key=lambda step: step.order)))


def given_steps(ctx: click.Context) -> bool:
    """Return whether any option of a technique was given."""
    return bool(ctx.meta.get(_GIVEN))


def _read(file: str) -> Recipe:
    try:
        text = sys.stdin.read() if file == "-" else Path(file).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise Refused(f"the recipe {file} cannot be read: {reason(error)}") from None
    try:
        return Recipe.from_json(text)
    except Refused as refusal:
        raise Refused(f"{'standard input' if file == '-' else file}: {refusal}") from None


def _step(cls: type[Step], settings: dict[str | None, str]) -> Step:
    """Make a step from `field=value,...` and from the short options of single fields."""
    first, *others = settings.get(None, "").split(",")
    if first and "=" not in first:
        first = f"{_main(cls)}={first}"
    parts = [first, *others]
    named = {part.partition("=")[0] for part in parts}
    for field, text in settings.items():
        if field in named:
            raise Refused(f"{cls.name}.{field} is given twice")
        if field is not None:
            parts.append(f"{field}={text}")
    return cls.parse(",".join(filter(None, parts)))


def _main(cls: type[Step]) -> str:
    """Return the field that a value alone is for."""
    return cls.flags.get(cls.name, cls.fields()[0].name)


def _technique_options(taken: set[str]) -> list[click.Option]:
    options: dict[str, click.Option] = {}
    for cls in sorted(techniques, key=lambda cls: cls.order):
        known = {field.name: field for field in cls.fields()}
        flags = {flag: known[name] for flag, name in cls.flags.items() if flag != cls.name}
        for name, field in {cls.name: None, **flags}.items():
            text = f"{cls.title}: {_allowed(field.spec)}." if field else f"{cls.title}. {_fields(cls)}"
            flag = f"--{name.replace('_', '-')}"
            if flag in taken | set(options):
                raise TypeError(f"{cls.__name__} declares the option {flag}, which is taken")
            options[flag] = click.Option(
                [f"{cls.name}__{name}", flag],
                metavar=field.name.upper() if field else "FIELD=VALUE,...",
                help=text,
                is_flag=False,
                flag_value=None if field else "",  # a technique by its name alone has its defaults
                expose_value=False,
                callback=_note(cls.name, field),
            )
    return list(options.values())


def _note(technique: str, field: Field | None) -> Callable[[click.Context, click.Parameter, str | None], None]:
    def note(ctx: click.Context, _: click.Parameter, value: str | None) -> None:
        if value is not None:
            ctx.meta.setdefault(_GIVEN, {}).setdefault(technique, {})[field and field.name] = value

    return note


def _fields(cls: type[Step]) -> str:
    return "; ".join(f"{field.name}: {_allowed(field.spec)} [{_default(field)}]" for field in cls.fields())


def _default(field: Field) -> str:
    return "none" if field.default == () else str(field.default).lower()


def _allowed(spec: Spec) -> str:
    return ", ".join(filter(None, (spec.help, _values(spec))))


def _values(spec: Spec) -> str:
    match spec:
        case Range():
            return f"{spec.low:g} to {spec.high:g}"
        case Choice():
            return "|".join(map(str, spec.options))
        case Switch():
            return "true|false"
        case ModelName():
            return "|".join((*spec.special, "MODEL"))
        case PerLayer():
            return f"LAYER:VALUE+LAYER:VALUE, each {_values(spec.item)}"
