"""Recipes that come with the workbench, found by their name.

A file is called NAME.json, or NAME.MODEL.json where the settings are those of one network.
"""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from workbench.errors import Refused
from workbench.recipe import Recipe

_FOLDER = Path(__file__).parents[1] / "recipes"


class Shipped(NamedTuple):
    """A recipe with its name, and the network that it is for; "" for any."""

    name: str
    model: str
    recipe: Recipe


def shipped() -> list[Shipped]:
    """Return all recipes that come with the workbench."""
    found = []
    for path in sorted(_FOLDER.glob("*.json")):
        name, _, model = path.stem.partition(".")
        found.append(Shipped(name, model, Recipe.from_json(path.read_text(encoding="utf-8"))))
    return found


def is_name(recipe: str) -> bool:
    """Return whether the text can only be the name of a shipped recipe: no file is called so, and none would be."""
    return recipe != "-" and Path(recipe).name == recipe and not Path(recipe).suffix and not Path(recipe).exists()


def find(name: str, model: str) -> Recipe:
    """Return the recipe of this name for a network; raises `Refused` where there is none."""
    known = shipped()
    for wanted in (model, ""):
        for item in known:
            if (item.name, item.model) == (name, wanted):
                return item.recipe
    if models := [item.model for item in known if item.name == name]:
        raise Refused(f"the recipe {name} is for {' or '.join(models)}, not for {model}")
    names = ", ".join(dict.fromkeys(item.name for item in known))
    raise Refused(
        f"there is no recipe called {name!r}: name a JSON file, or one that comes with the workbench ({names})"
    )
