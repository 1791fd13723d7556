"""Energy, measured: what the processor counted of its own while a call ran again and again.

Linux shows the counters of RAPL, "running average power limit", of processors by Intel and AMD
(https://docs.kernel.org/power/powercap/powercap.html): microjoules of each package, and of memory where it is counted
apart, which start again from 0 at a maximum. They hold all that the packages did meanwhile, so the machine should do
nothing else. Since 2020 only the administrator may read them, unless the files are opened to others.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from workbench.context import Progress, Report, ignore
from workbench.result import Estimate
from workbench.timing.clock import median

ROOT = Path("/sys/class/powercap")
_WINDOWS = 7


@dataclass(frozen=True, kw_only=True)
class Counter:
    """One counter of energy."""

    name: str
    file: Path
    range_uj: int
    """Where it starts again from 0."""

    def read_uj(self) -> int:
        return int(self.file.read_text())

    def since_uj(self, before: int) -> int:
        """Return the microjoules since the counter stood at `before`, over at most one new start."""
        now = self.read_uj()
        return now - before if now >= before else now + self.range_uj + 1 - before


def counters(root: Path = ROOT) -> tuple[Counter, ...]:
    """Return the counters of packages and of memory apart from them; none where this process may not read them."""
    found = []
    for zone in sorted(root.glob("*-rapl:*")):
        try:
            name = (zone / "name").read_text().strip()
            counter = Counter(
                name=name, file=zone / "energy_uj", range_uj=int((zone / "max_energy_range_uj").read_text())
            )
            counter.read_uj()
        except (OSError, ValueError):
            continue
        if name.startswith("package") or name == "dram":  # cores and graphics are part of their package
            found.append(counter)
    return tuple(found)


def energy_mj(
    call: Callable[[], object],
    *,
    seconds: float = 2.0,
    root: Path = ROOT,
    report: Report = ignore,
    clock: Callable[[], float] = time.perf_counter,
) -> Estimate | None:
    """Return the millijoules of one call: the median of seven windows, all packages together, idle power included.

    None where there are no counters to read: then energy can only be modelled (`workbench.devices.roofline`).
    """
    found = counters(root)
    if not found:
        return None
    call()
    windows = []
    for window in range(_WINDOWS):
        report(Progress(window / _WINDOWS, "measuring energy"))
        before = [counter.read_uj() for counter in found]
        start, calls = clock(), 0
        while not calls or clock() - start < seconds / _WINDOWS:
            call()
            calls += 1
        used = sum(counter.since_uj(value) for counter, value in zip(found, before, strict=True))
        windows.append(used / 1000 / calls)
    return median(windows, "mJ")
