"""`workbench class`: the folder that a class shares, with its leaderboard and what is prepared for it."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

import click

from workbench.cli.exits import Exit, complain
from workbench.cli.progress import ProgressLine
from workbench.cli.show import print_json, table
from workbench.errors import Refused
from workbench.recipe import Recipe
from workbench.result import DataRef, Job, ModelRef

if TYPE_CHECKING:
    from workbench.class_folder import Found
    from workbench.leaderboard import Board, Place
    from workbench.submissions import Submission

_FOLDER = click.argument("folder", required=False, type=click.Path(file_okay=False, path_type=Path))
_MODEL = click.option("--model", default="digits-cnn", show_default=True, help="The network that the board is about.")
_DATA = click.option("--data", default="digits", show_default=True, help="The data set that the board is about.")


@click.group("class")
def classroom() -> None:
    """Workshops: show and check the leaderboard of a class, and prepare sliders for all.

    FOLDER is what the class shares: $WORKBENCH_CLASS, or `class` in the folder of your own data, where it is left out.
    """


@classroom.command()
@_FOLDER
@_MODEL
@_DATA
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def show(folder: Path | None, model: str, data: str, as_json: bool) -> None:
    """Print the leaderboard."""
    from workbench.leaderboard import SMALLEST, WITHIN, board

    found, mine = _read(folder, model, data)
    ground = _ground(model, data)
    places = board(mine, ground)
    if as_json:
        print_json({"places": [_object(place) for place in places], "problems": list(found.problems)})
        return
    if places:
        heads = [
            "",
            "name",
            "area",
            f"smallest file that loses at most {100 * WITHIN:g} point",
            "on the front",
            "recipe",
        ]
        click.echo(table([heads, *map(_line, places)]))
        click.echo(
            f"area: share of the plane from {ground.size_bytes:,.0f} bytes to {SMALLEST} times less (logarithmic) and "
            f"from chance to 100 %; in brackets at the ends of the intervals. Numbers are as submitted: "
            f"`workbench class check` runs them again."
        )
    _remarks(found, mine, model, data)


@classroom.command()
@_FOLDER
@_MODEL
@_DATA
@click.option("--name", help="Only the submission of this name.")
@click.option("--train", is_flag=True, help="Also run recipes that train, which may take long.")
@click.pass_context
def check(ctx: click.Context, folder: Path | None, model: str, data: str, name: str | None, train: bool) -> None:
    """Run the submitted recipes again, and say which do not give what was said."""
    from workbench.recheck import recheck

    found, mine = _read(folder, model, data)
    if name is not None and not (mine := [each for each in mine if each.name == name]):
        raise Refused(f"there is no submission of {name[:80]!r} about {model} on {data}")
    wrong: dict[str, int] = {}
    with ProgressLine() as report:
        for verdict in recheck(mine, trains=train, report=report):
            report.clear()
            told = f"{verdict.submission.name}: {verdict.point.recipe}: {verdict.sentence}"
            click.echo(f"{verdict.outcome:8}{_printable(told)}")
            if not verdict.reproduces:
                wrong[verdict.submission.name] = wrong.get(verdict.submission.name, 0) + 1
    _remarks(found, mine, model, data)
    if wrong:
        complain("not reproduced: " + ", ".join(f"{count} of {name}" for name, count in wrong.items()))
        ctx.exit(Exit.REFUSED)


@classroom.command()
@click.argument("lessons", nargs=-1)
@click.option(
    "--folder", type=click.Path(file_okay=False, path_type=Path), help="The folder of the class, if it is another."
)
def prepare(lessons: tuple[str, ...], folder: Path | None) -> None:
    """Solve the slider positions that LESSONS use (all, if none is named), so that nobody in the class waits for them.

    A lesson may be named by its number. What is in the folder already is not solved again.
    """
    from workbench import preparing

    known = preparing.lessons()
    grids = [preparing.grid(_lesson(given, known)) for given in lessons or known]
    with ProgressLine() as report:
        for filled in preparing.fill(grids, _home(folder), report=report):  # noqa: B007  # the last one is told
            pass
    click.echo(
        f"{filled.done} {'position' if filled.done == 1 else 'positions'} of {len(grids)} "
        f"{'lesson' if len(grids) == 1 else 'lessons'}: "
        f"{filled.files} files, {filled.size_bytes:,} bytes in {_home(folder) / 'traces'}"
    )


def _home(folder: Path | None) -> Path:
    from workbench.resources import class_home

    return folder or class_home()


def _lesson(given: str, known: tuple[str, ...]) -> str:
    """Return the name of a lesson that was given by name or by number."""
    if given.isdecimal():
        return next((name for name in known if int(name.partition("-")[0]) == int(given)), given)
    return given


def _read(folder: Path | None, model: str, data: str) -> tuple[Found, list[Submission]]:
    from workbench.class_folder import Reader

    home = _home(folder)
    if folder is not None and not folder.exists():
        raise Refused(f"there is no folder {folder}")
    found = Reader(home).read()
    return found, [each for each in found.submissions if (each.model, each.data) == (model, data)]


def _ground(model: str, data: str) -> Board:
    from workbench.cli.run import final_row
    from workbench.leaderboard import Board
    from workbench.run import prepare as prepared

    job = Job(model=ModelRef(name=model), data=DataRef(name=data), recipe=Recipe())
    classes = prepared(job, user_code=False).about["classes"]
    return Board.of(final_row(job), len(classes))


def _remarks(found: Found, mine: list[Submission], model: str, data: str) -> None:
    if not mine:
        click.echo(f"nobody has submitted anything about {model} on {data}")
    others: Iterable[str] = sorted({f"{s.model} on {s.data}" for s in found.submissions if s not in mine})
    if others := list(others):
        click.echo(_printable(f"there are also submissions about {', '.join(others)}"))
    for problem in found.problems:
        click.echo(f"- {_printable(problem)}")


def _line(place: Place) -> list[str]:
    small = place.smallest
    return [
        str(place.place),
        place.submission.name,
        f"{place.area:.4f} [{place.low:.4f}, {place.high:.4f}]",
        "none" if small is None else f"{small.size_bytes:,} bytes at {100 * small.accuracy.value:.2f} %",
        str(len(place.front)),
        _printable(str(place.best.recipe)),
    ]


def _object(place: Place) -> dict[str, object]:
    small = place.smallest
    return {
        "place": place.place,
        "name": place.submission.name,
        "area": place.area,
        "area_low": place.low,
        "area_high": place.high,
        "smallest_bytes": None if small is None else small.size_bytes,
        "points": len(place.front),
        "file": place.submission.file,
        "recipe": place.best.recipe.to_dict(),
    }


def _printable(text: str) -> str:
    """Return text that a terminal only shows: what comes from others may hold its commands."""
    return "".join(letter if letter.isprintable() else "?" for letter in text)
