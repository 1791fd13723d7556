"""What this processor can do: its vector instructions, and its roof as two small calls measure it."""

from __future__ import annotations

import functools
import platform
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch

from workbench.timing.clock import measured
from workbench.timing.runtimes import torch_threads

_CPUINFO = Path("/proc/cpuinfo")
_INTEGER = frozenset({"avx512_vnni", "avx_vnni", "amx_int8", "asimddp", "i8mm"})
"""Instructions that multiply and add four int8 at once, as x86 and Arm call them."""
_SIDE = 384
_COPIED = 32 * 2**20


@dataclass(frozen=True, kw_only=True)
class Machine:
    """A processor, seen from one thread."""

    flags: frozenset[str]
    """Instruction sets, as Linux names them; empty where the system does not say."""
    macs_per_ms: float
    """Multiply-adds in float32 of a matrix product that fits its caches."""
    bytes_per_ms: float
    """Of memory, read and written."""
    call_ms: float
    """What an operator takes that has nothing to do."""

    @property
    def lanes(self) -> int:
        """How many float32 numbers one vector instruction takes."""
        if "avx512f" in self.flags:
            return 16
        return 8 if "avx2" in self.flags else 4

    @property
    def integer(self) -> bool | None:
        """Whether there are instructions for int8 products; None where the system does not say."""
        return bool(self.flags & _INTEGER) if self.flags else None


def flags(cpuinfo: Path = _CPUINFO) -> frozenset[str]:
    """Return the instruction sets of the first processor; nothing where the system does not say."""
    try:
        lines = cpuinfo.read_text(errors="replace").splitlines()
    except OSError:
        return frozenset()
    found = (line.partition(":")[2] for line in lines if line.partition(":")[0].strip() in ("flags", "Features"))
    return frozenset(next(found, "").split())


@functools.cache
def this_machine() -> Machine:
    """Return the processor at hand; takes half a second the first time."""
    square, tiny = torch.ones(_SIDE, _SIDE), torch.ones(1)
    source = torch.ones(_COPIED // 4)
    target = torch.empty_like(source)
    calls: dict[str, Callable[[], object]] = {
        "product": lambda: torch.mm(square, square),
        "copy": lambda: target.copy_(source),
        "call": lambda: torch.relu(tiny),
    }
    with torch_threads(1):
        times = measured(calls, seconds=0.4)
    best = {name: min(samples) for name, samples in times.samples.items()}  # a roof is what can be reached
    return Machine(
        flags=flags() if platform.system() == "Linux" else frozenset(),
        macs_per_ms=_SIDE**3 / best["product"],
        bytes_per_ms=2 * _COPIED / best["copy"],
        call_ms=best["call"],
    )
