"""Each lesson from top to bottom on one core, in a home with nothing in it: seconds, and memory at the highest."""

from __future__ import annotations

import os
import tempfile
import time
import warnings
from collections.abc import Iterator
from pathlib import Path

from workbench import resources

SECONDS, BYTES = 120, 10**9


def measure() -> Iterator[tuple[str, str]]:
    for path in sorted((resources.notebooks() / "lessons").glob("*.ipynb")):
        seconds, peak = _executed(path)
        kept = seconds < SECONDS and peak < BYTES
        yield f"lesson {path.stem}", f"{seconds:.0f} s, at most {peak / 1e6:.0f} MB{'' if kept else ': TOO MUCH'}"


def _executed(path: Path) -> tuple[float, int]:
    """Return how many seconds a notebook takes in a kernel of its own with one thread, and the most bytes it had."""
    import nbformat
    from nbclient import NotebookClient

    with tempfile.TemporaryDirectory() as home, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of the kernel's own machinery
        client = NotebookClient(
            nbformat.read(path, as_version=4), timeout=600, resources={"metadata": {"path": str(path.parent)}}
        )
        start = time.perf_counter()
        with client.setup_kernel(env={**os.environ, "WORKBENCH_HOME": home, "OMP_NUM_THREADS": "1"}):
            for number, cell in enumerate(client.nb.cells):
                client.execute_cell(cell, number)
            took = time.perf_counter() - start
            pid = client.km.provisioner.process.pid
            status = Path(f"/proc/{pid}/status").read_text()
        return took, 1024 * int(status.partition("VmHWM:")[2].split()[0])
