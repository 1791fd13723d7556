"""How JupyterLab looks when `workbench lab` opens it: tiles in the launcher, and a layout to begin with."""

from __future__ import annotations

import hashlib
import importlib.util
import json
from pathlib import Path
from typing import Any

from workbench import resources

WORKSPACE = "workbench"
"""Name of the layout; a person's own JupyterLab has another, and is left alone."""
_FIRST = "dashboards/workbench.ipynb"


def extensions() -> Path | None:
    """Return the folder of the launcher's tiles, or None where only the engine is installed.

    The folder is found without an import: the engine knows nothing of the widgets.
    """
    spec = importlib.util.find_spec("widgets")
    places = spec.submodule_search_locations if spec else None
    folder = Path(places[0]) / "lab" if places else None
    return folder if folder is not None and folder.is_dir() else None


def workspaces(folder: Path) -> Path | None:
    """Return where layouts for these notebooks are kept, with one to begin with; None where nothing can be kept.

    A layout names notebooks by their place under `folder`, so each folder has layouts of its own. One that is there
    already is left as its person left it.
    """
    from jupyterlab_server.workspaces_handler import WorkspacesManager

    place = resources.cache_home() / "lab" / hashlib.sha256(str(folder.resolve()).encode()).hexdigest()[:12]
    try:
        place.mkdir(parents=True, exist_ok=True)
        manager = WorkspacesManager(str(place))
        if not any(place.iterdir()) and (folder / _FIRST).exists():
            manager.save(WORKSPACE, _beginning())
    except OSError:
        return None
    return place


def _beginning() -> str:
    """Return the layout: the workbench's notebook, the launcher behind it, all notebooks in the file browser."""
    notebook = f"notebook:{_FIRST}"
    panels: dict[str, Any] = {
        "main": {"dock": {"type": "tab-area", "currentIndex": 0, "widgets": [notebook]}, "current": notebook},
        "left": {"collapsed": False, "visible": True, "current": "filebrowser", "widgets": ["filebrowser"]},
        "right": {"collapsed": True, "visible": True, "widgets": []},
        "relativeSizes": [0.16, 0.84, 0],
    }
    data = {
        "layout-restorer:data": panels,
        "file-browser-filebrowser:cwd": {"path": ""},
        notebook: {"data": {"path": _FIRST, "factory": "Notebook"}},
    }
    return json.dumps({"data": data, "metadata": {"id": WORKSPACE}})
