"""What all tests share: one thread each, a workbench home of their own, a browser, and real data if there are any."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NoReturn

import pytest
from hypothesis import HealthCheck, settings

# before torch is imported, also in the processes that tests start: workers and threads would fight over the cores
os.environ["OMP_NUM_THREADS"] = "1"

# how long one example takes says more about the machine than about the code
settings.register_profile("patient", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("patient")

ROOT = Path(__file__).parents[1]
SHARED = ROOT.parent / "shared" / "data"


def missing(reason: str) -> NoReturn:
    """Skip the test; in CI, where nothing may be missing, fail it."""
    if os.environ.get("CI"):
        pytest.fail(f"{reason} (CI is set, so this is a failure)")
    pytest.skip(reason)


@pytest.fixture(scope="session", autouse=True)
def workbench_home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Keep results and weights of the tests away from the person's own."""
    before = os.environ.get("WORKBENCH_HOME")
    home = tmp_path_factory.mktemp("home")
    os.environ["WORKBENCH_HOME"] = str(home)
    yield home
    del os.environ["WORKBENCH_HOME"]
    if before is not None:
        os.environ["WORKBENCH_HOME"] = before


@pytest.fixture(scope="session")
def browser_type_launch_args(browser_type_launch_args: dict[str, Any]) -> dict[str, Any]:
    """Use the system's Chromium instead of one that Playwright downloads."""
    chromium = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if chromium is None:
        missing("there is no Chromium here: install it, for instance with `apt install chromium`")
    arguments = ["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--disable-background-networking"]
    return {**browser_type_launch_args, "executable_path": chromium, "args": arguments}


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Return the folder with real MNIST, CIFAR-10 images and a real ResNet-20, beside the repository."""
    if not SHARED.is_dir():
        missing(f"there are no real data in {SHARED}")
    return SHARED
