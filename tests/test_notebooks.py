"""Every notebook is clean as it is stored, and runs from top to bottom in a real kernel."""

from __future__ import annotations

import copy
import math
import re
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import nbformat
import pytest

from widgets.exercises import FOLDER, lesson_file
from workbench import resources

NOTEBOOKS = sorted(resources.notebooks().glob("*/*.ipynb"))  # JupyterLab keeps copies deeper down
LESSONS = [path for path in NOTEBOOKS if path.parent.name == "lessons"]
names = pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
lessons = pytest.mark.parametrize("path", LESSONS, ids=lambda path: path.stem)
executed = pytest.mark.parametrize(
    "path",
    [pytest.param(path, marks=[pytest.mark.slow] if path in LESSONS[1:] else []) for path in NOTEBOOKS],
    ids=lambda path: path.stem,
)


def test_there_are_notebooks() -> None:
    assert resources.dashboard() in NOTEBOOKS


@names
def test_it_stores_no_output_and_defines_nothing(path: Path) -> None:
    notebook = nbformat.read(path, as_version=4)
    for cell in notebook.cells:
        if cell.cell_type == "code":
            assert cell.outputs == []
            assert cell.execution_count is None
            assert not any(line.lstrip().startswith(("def ", "class ")) for line in cell.source.splitlines())


@executed
def test_it_runs_from_top_to_bottom_and_shows_widgets(path: Path, tmp_path: Path) -> None:
    notebook = execute(path, tmp_path)
    shown = [o for cell in notebook.cells if cell.cell_type == "code" for o in cell.outputs]
    assert any("application/vnd.jupyter.widget-view+json" in output.get("data", {}) for output in shown)
    assert not [output for output in shown if output.output_type == "error" or output.get("name") == "stderr"]
    printed = [cell for cell in code_cells(notebook) if any(output.get("name") == "stdout" for output in cell.outputs)]
    assert bool(printed) == (path in LESSONS), "lessons show what their code finds, dashboards show no text"


WATCH = """
import socket as _socket, sys as _sys
_attempts = []
def _watch(event, arguments):
    if event == "socket.getaddrinfo" and arguments[0] not in (None, "", "localhost", "127.0.0.1", "::1"):
        _attempts.append(repr(arguments[0]))
    if event in ("socket.connect", "socket.sendto") and arguments[0].family != _socket.AF_UNIX:
        if not str(arguments[1][0]).startswith(("127.", "localhost", "::1")):
            _attempts.append(repr(arguments[1]))
_sys.addaudithook(_watch)
"""
"""Says what of Python's own sockets would leave this computer; `test_no_network.py` watches the libraries, too."""


def execute(path: Path, folder: Path, order: Callable[[list[Any]], list[Any]] = list) -> nbformat.NotebookNode:
    """Return a notebook with the outputs that a kernel of its own gives it."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of the kernel's own machinery
        from nbclient import NotebookClient

        notebook = nbformat.read(path, as_version=4)
        new = nbformat.v4.new_code_cell
        notebook.cells = [new(WATCH), *order(notebook.cells), new("print(_attempts)")]
        client = NotebookClient(
            notebook, timeout=120, kernel_name="python3", resources={"metadata": {"path": str(folder)}}
        )
        client.execute()
    _, *notebook.cells, last = notebook.cells
    assert last.outputs[0].text == "[]\n", "nothing leaves this computer"
    return notebook


def code_cells(notebook: nbformat.NotebookNode) -> list[nbformat.NotebookNode]:
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


@pytest.mark.slow
@lessons
def test_cells_of_a_lesson_run_backwards_and_twice(path: Path, tmp_path: Path) -> None:
    def backwards(cells: list[Any]) -> list[Any]:
        quick = [cell for cell in cells if cell.cell_type == "code" and "widgets.lesson" in cell.source]
        return [copy.deepcopy(cell) for cell in (*reversed(quick), *reversed(quick))]

    cells = execute(path, tmp_path, backwards).cells
    assert all(any("widget-view" in kind for o in cell.outputs for kind in o.get("data", {})) for cell in cells)


def test_lessons_are_numbered_from_one_on_and_each_has_its_answers() -> None:
    numbers = [int(path.stem.partition("-")[0]) for path in LESSONS]
    assert numbers == list(range(1, len(LESSONS) + 1))
    assert {path.stem for path in LESSONS} == {path.stem for path in FOLDER.glob("*.toml")}


@lessons
def test_a_lesson_asks_first_and_has_exercises_code_and_reading(path: Path) -> None:
    notebook = nbformat.read(path, as_version=4)
    first, text = notebook.cells[0], "\n".join(cell.source for cell in notebook.cells if cell.cell_type == "markdown")
    assert first.cell_type == "markdown"
    assert re.match(rf"# {int(path.stem[:2])}\. ", first.source)
    assert "**The question:**" in first.source
    for heading in ("## Play", "## One idea", "## Check yourself", "## Show me the code", "## When does it hurt?"):
        assert heading in text
    papers = text.partition("## Further reading")[2].split("\n- ")[1:]
    assert len(papers) >= 2
    assert all(re.search(r"\b(?:19|20)\d\d\b", paper) for paper in papers)
    sources = "\n".join(cell.source for cell in code_cells(notebook))
    assert "from workbench" in sources
    assert set(re.findall(r'Lesson\("([^"]+)"\)', sources)) == {path.stem}
    asked = re.findall(r'\.check\("([^"]+)"\)', sources)
    file = lesson_file(path.stem)
    assert asked == list(file.exercises), "exercises are numbered by their order in the file"
    assert 2 <= len(asked) <= 4


@lessons
def test_a_lesson_does_not_tell_its_answers(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    for exercise in lesson_file(path.stem).exercises.values():
        assert exercise.right not in text
        assert exercise.hint not in text
        assert str(getattr(exercise, "answer", None)) not in text.replace('"id"', "") or len(str(exercise.answer)) < 4


@lessons
def test_its_links_lead_to_other_lessons(path: Path) -> None:
    for target in re.findall(r"\]\(((?!https?:)[^)]+)\)", path.read_text(encoding="utf-8")):
        assert (path.parent / target).is_file(), target


def test_the_teachers_guide_has_timings_and_answers_of_every_lesson() -> None:
    guide = (resources.notebooks() / "lessons" / "teachers-guide.md").read_text(encoding="utf-8")
    for path in LESSONS:
        _, found, part = guide.partition(f"({path.name})")
        assert found, path.name
        part = part.partition("\n## ")[0]
        assert "minutes" in part
        for name, exercise in lesson_file(path.stem).exercises.items():
            row = next(line for line in part.splitlines() if line.startswith(f"| `{name}` |"))
            answer = getattr(exercise, "answer", None)
            assert not isinstance(answer, str) or answer in row
            assert not isinstance(answer, int | float) or math.isnan(answer) or f"{answer:,}" in row
