"""Slider positions of lessons, solved once for a whole class and put where all of its kernels find them.

Which ones: a lesson's file says what its sliders begin with and what its exercises ask for, and its notebook which
techniques it offers. Of each of these the prepared positions are solved (`Step.positions`), as a kernel does in the
background for itself. They are found by the hash of all they depend on, like those that a kernel solves: of another
version or other weights none is ever found. What changes layers, such as removing channels, is not kept on a disk.
"""

from __future__ import annotations

import ast
import contextlib
import dataclasses
import json
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from workbench import resources
from workbench.ahead import recipes_ahead
from workbench.compress import compress
from workbench.context import Progress, Report, ignore
from workbench.errors import Refused
from workbench.files import make_folder, write_whole
from workbench.recipe import Recipe
from workbench.registry import techniques
from workbench.result import DataRef, Job, ModelRef
from workbench.run import environment, prepare

_ABOUT = "about.json"


@dataclass(frozen=True, kw_only=True)
class Grid:
    """The recipes of one lesson that are worth solving before it begins."""

    lesson: str
    base: Job
    recipes: tuple[Recipe, ...]


@dataclass(frozen=True, kw_only=True)
class Filled:
    """How far the filling of a folder has come."""

    lesson: str
    done: int
    of: int
    files: int = 0
    """What the folder holds in the end, and in how many bytes; 0 until then."""
    size_bytes: int = 0


def lessons() -> tuple[str, ...]:
    """Return the names of all lessons, in their order."""
    return tuple(sorted(path.stem for path in resources.lessons().glob("*.toml")))


def grid(lesson: str) -> Grid:
    """Return what is prepared for a lesson. Raises `Refused` for a name that no lesson has."""
    if lesson not in lessons():
        raise Refused(f"there is no lesson {lesson[:80]!r}, there are: {', '.join(lessons())}")
    content = tomllib.loads((resources.lessons() / f"{lesson}.toml").read_text(encoding="utf-8"))
    base = Job(
        model=ModelRef(name=content.pop("model", "digits-cnn")), data=DataRef(name=content.pop("data", "digits"))
    )
    begins = content.pop("start", {})
    start = _recipe(begins)
    tasks = [task[name] for task in content.values() for name in ("steps", "solution") if name in task]
    # who moves on from where the lesson begins keeps its other settings
    moved_on = [{name: begins.get(name, {}) | fields for name, fields in task.items()} for task in tasks]
    asked = [_recipe(settings) for settings in (*tasks, *moved_on)]
    offered = [Recipe((techniques.get(name)(),)) for name in _offered(lesson)]
    whole = [recipe for recipe in (start, *asked, *offered) if recipe.steps and not recipe.trains]
    alone = [Recipe((step,)) for recipe in whole for step in recipe.steps]
    begun = [recipe for recipe in (*whole, *alone) if any(step.slider for step in recipe.steps)]
    moved = [other for recipe in begun for other in recipes_ahead(recipe)]
    kept = (recipe for recipe in (*whole, *moved) if any(step.approximates for step in recipe.steps))
    return Grid(lesson=lesson, base=base, recipes=tuple(dict.fromkeys(kept)))


def fill(grids: list[Grid], folder: Path, *, report: Report = ignore) -> Iterator[Filled]:
    """Solve what is not yet in the folder `traces` of a class; yields before each recipe and at the end.

    Raises `Refused` where the folder cannot be written, or holds as much as may be kept there.
    """
    traces = make_folder(folder / "traces")
    write_whole(traces / _ABOUT, json.dumps(environment(), indent=1).encode(), follow=False)
    number, of = 0, sum(len(item.recipes) for item in grids)
    for item in grids:
        prepared = prepare(item.base, user_code=False)
        ctx = prepared.context.apart(traces)
        for recipe in item.recipes:
            yield Filled(lesson=item.lesson, done=number, of=of)
            share = number / of

            def tell(news: Progress, share: float = share, lesson: str = item.lesson) -> None:
                report(Progress(share + news.fraction / of, f"{lesson}: {news.message}"))

            compress(prepared.model, recipe, dataclasses.replace(ctx, notes=[], provisional=[], report=tell))
            number += 1
    sizes = _sizes(traces)
    lesson = grids[-1].lesson if grids else ""
    yield Filled(lesson=lesson, done=number, of=of, files=len(sizes), size_bytes=sum(sizes))


def _sizes(traces: Path) -> list[int]:
    sizes = []
    for path in traces.iterdir():
        with contextlib.suppress(FileNotFoundError):  # removed meanwhile
            if not path.name.startswith("."):
                sizes.append(path.lstat().st_size)
    return sizes


def _recipe(settings: Mapping[str, Mapping[str, Any]]) -> Recipe:
    return Recipe(tuple(techniques.get(name)(**fields) for name, fields in settings.items()))


def _offered(lesson: str) -> list[str]:
    """Return the techniques that the notebook of a lesson offers: the names that it hands to `play`."""
    notebook = json.loads((resources.notebooks() / "lessons" / f"{lesson}.ipynb").read_text(encoding="utf-8"))
    found: list[str] = []
    for cell in notebook["cells"]:
        source = "".join(cell["source"])
        if cell["cell_type"] != "code" or ".play(" not in source:
            continue
        for node in ast.walk(ast.parse(source)):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "play":
                found += [str(word.value) for word in node.args if isinstance(word, ast.Constant)]
    return list(dict.fromkeys(found))
