"""What benchmarks of pages share: a served page, a browser, times from a key to the plot, and memory of kernels."""

from __future__ import annotations

import importlib.util
import statistics
import time
from contextlib import AbstractContextManager
from pathlib import Path

import psutil

HERE = Path(__file__).parent
BROWSER = {
    "executable_path": "/usr/bin/chromium",
    "args": ["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--disable-background-networking"],
}
WATCH = """
() => {
  const plot = document.querySelector('.js-plotly-plot');
  const first = v => Array.from(v._inputArray ?? v)[0];
  const now = () => plot.data.filter(t => t.name === 'now' || t.name === 'not yet what you asked for')
    .map(t => t.x && first(t.x) + '/' + first(t.y) + '/' + first(t.error_y.arrayminus)).join(' ');
  window.bench = { pressed: 0, answered: 0, changed: 0, last: now() };
  document.addEventListener('keydown', () => { window.bench.pressed = performance.now(); }, true);
  plot.on('plotly_afterplot', () => {
    const bench = window.bench;
    if (now() === bench.last) return;
    if (bench.changed < bench.pressed) bench.answered = performance.now();
    bench.last = now();
    bench.changed = performance.now();
  });
}
"""
"""Notes in `window.bench` when a key was pressed, when the plot first answered it, and when it last changed."""


def browser_tests() -> object:
    """The page object of the browser tests: benchmarks drive pages as they do."""
    spec = importlib.util.spec_from_file_location("ui_conftest", HERE.parent / "ui" / "conftest.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def served(home: Path, *arguments: str) -> AbstractContextManager[str]:
    """The address of what `workbench ARGUMENTS` serves, with results and settings in `home`."""
    return browser_tests().served(home, *arguments, threads=None)


def kernels(home: Path) -> list[int]:
    """Process ids of the kernels below the server of a home."""
    server, found = int((home / "server.pid").read_text()), []
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            status = (entry / "stat").read_text().rpartition(")")[2].split()
            command = (entry / "cmdline").read_bytes()
        except OSError:
            continue
        if int(status[1]) == server and b"ipykernel" in command:
            found.append(int(entry.name))
    return found


def rest(home: Path, seconds: float = 90) -> None:
    """Wait until the kernels of a home have nothing to do: then the next visitor's is ready."""
    end, before = time.monotonic() + seconds, {}
    while time.monotonic() < end:
        time.sleep(1)
        found = kernels(home)
        used = {pid: _used(pid) for pid in found}
        if found and used.keys() == before.keys() and all(used[pid] - before[pid] < 0.05 for pid in found):
            return
        before = used
    raise TimeoutError(f"the kernels are still busy after {seconds} s")


def _used(pid: int) -> float:
    try:
        return sum(psutil.Process(pid).cpu_times()[:2])
    except psutil.NoSuchProcess:  # it has just ended
        return 0.0


def private_bytes(pid: int) -> int:
    """Memory that this process shares with no other."""
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    return 1024 * sum(int(line.split()[1]) for line in lines if line.startswith("Private"))


def spread(times: list[float]) -> str:
    """Median and 95 % of times in milliseconds, in words."""
    times = sorted(times)
    return f"median {statistics.median(times):.0f} ms, 95 % {times[int(0.95 * len(times))]:.0f} ms"
