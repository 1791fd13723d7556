"""The list in front of a folder of notebooks: their titles, where Voila would list files to select."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from jinja2 import Environment

_TEMPLATE = Path(__file__).with_name("_list.html")


def templates(folder: Path) -> Environment:
    """Return Voila's templates, with our list of the notebooks in `folder` instead of its own.

    Voila looks for templates in folders that it finds by itself; no setting adds one. It takes these as they are.
    """
    from jinja2 import ChoiceLoader, DictLoader, Environment, FileSystemLoader
    from voila.paths import collect_template_paths

    listed = DictLoader({"tree.html": _TEMPLATE.read_text(encoding="utf-8")})
    others = FileSystemLoader(collect_template_paths(["voila", "nbconvert"], "lab", prune=True))
    found = Environment(autoescape=True, extensions=["jinja2.ext.i18n"], loader=ChoiceLoader([listed, others]))
    found.install_null_translations()  # type: ignore[attr-defined]  # of the extension
    found.globals["heading"] = folder.name[:1].upper() + folder.name[1:]
    found.globals["title"] = lambda path: title(folder / path)
    return found


def title(notebook: Path) -> str:
    """Return the first heading of a notebook, or the name of its file where it has none or cannot be read."""
    try:
        cells = json.loads(notebook.read_bytes())["cells"]
        texts = ["".join(cell["source"]) for cell in cells if cell["cell_type"] == "markdown"]
    except (OSError, ValueError, TypeError, KeyError, RecursionError):
        return notebook.stem
    lines = (line for text in texts for line in text.splitlines())
    return next((line.removeprefix("# ").strip() for line in lines if line.startswith("# ")), notebook.stem)
