"""What there is to work with: folders of shipped files and of those that a person downloads or makes; processors."""

from __future__ import annotations

import math
import os
from pathlib import Path

import platformdirs

_PACKAGE = Path(__file__).parent


def _processors() -> int:
    here = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    try:
        quota, period = Path("/sys/fs/cgroup/cpu.max").read_text(encoding="ascii").split()
        return max(1, min(here, math.ceil(int(quota) / int(period))))
    except (OSError, ValueError):  # no container, or one that may use all
        return here


PROCESSORS = _processors()
"""How many processors this process may use: containers are often lent fewer than the machine has."""


def share() -> Path:
    """Return the folder that holds the shipped `datasets/` and `notebooks/`: of the installed wheel, or the checkout.

    The wheel comes first: beside an installed `workbench` lies whatever else is installed, and a folder called
    `datasets` there belongs to somebody else.
    """
    inside = _PACKAGE / "_share"
    return inside if inside.is_dir() else _PACKAGE.parent


def datasets() -> Path:
    """Return the folder of the shipped data sets."""
    return share() / "datasets"


def notebooks() -> Path:
    """Return the folder of the shipped notebooks."""
    return share() / "notebooks"


def lessons() -> Path:
    """Return the folder of the files that say what lessons begin with; the page's code is beside ours."""
    return _PACKAGE.parent / "widgets" / "lessons"


def dashboard() -> Path:
    """Return the notebook of the dashboard."""
    return notebooks() / "dashboards" / "workbench.ipynb"


def cache_home() -> Path:
    """Return the folder for downloaded data and trained weights: `$WORKBENCH_HOME`, or the user's data folder.

    It is the data folder and not the cache folder of the system, because a cleaner may empty the latter, and trained
    weights have cost somebody time. The folder need not exist yet.
    """
    chosen = os.environ.get("WORKBENCH_HOME")
    return Path(chosen).expanduser() if chosen else platformdirs.user_data_path("downsizing-workbench", appauthor=False)


def class_home() -> Path:
    """Return the folder that a class shares: `$WORKBENCH_CLASS`, or `class` in the folder of the person's own data.

    The folder need not exist yet. What lies there comes from anybody.
    """
    chosen = os.environ.get("WORKBENCH_CLASS")
    return Path(chosen).expanduser() if chosen else cache_home() / "class"
