"""What a person can afford: limits that a recipe has to keep."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, fields
from types import MappingProxyType

from workbench.errors import Refused

SIZE, MACS, MEMORY, LATENCY, FLASH = "size_bytes", "macs", "peak_memory", "latency_ms", "flash_bytes"

_UNITS: Mapping[str, Mapping[str, float]] = MappingProxyType(
    {
        "size_bytes": {"": 1, "B": 1, "kB": 1e3, "MB": 1e6, "KiB": 2**10, "MiB": 2**20},
        "peak_memory": {"": 1, "B": 1, "kB": 1e3, "MB": 1e6, "KiB": 2**10, "MiB": 2**20},
        "macs": {"": 1, "k": 1e3, "M": 1e6, "G": 1e9},
        "latency_ms": {"": 1, "ms": 1, "us": 1e-3, "µs": 1e-3, "s": 1e3},
        "drop": {"": 1e-2, "points": 1e-2, "point": 1e-2, "%": 1e-2},
    }
)
_WORDS = {
    "size_bytes": "a file of at most {:,.0f} bytes",
    "macs": "at most {:,.0f} multiply-adds",
    "peak_memory": "at most {:,.0f} bytes of activations",
    "latency_ms": "at most {:.4g} ms",
}
_ONE = {
    "size_bytes": "a file of at most 1 byte",
    "macs": "at most 1 multiply-add",
    "peak_memory": "at most 1 byte of activations",
}


@dataclass(frozen=True, kw_only=True)
class Limits:
    """Upper limits, None where there is none. Raises `Refused` for what no network could keep or nobody could mean."""

    size_bytes: float | None = None
    """Of the packed file."""
    macs: float | None = None
    peak_memory: float | None = None
    """Bytes of activations."""
    latency_ms: float | None = None
    """Of one image on the device, modelled as a rule (see `devices.roofline`)."""
    device: str = ""
    """A device that it has to run on: its operators, its flash and its memory."""
    drop: float | None = None
    """How much accuracy may be lost, as a fraction, on validation images."""

    def __post_init__(self) -> None:
        for name in _UNITS:
            value = getattr(self, name)
            if value is None:
                continue
            if not math.isfinite(value) or value < 0 or (value == 0 and name != "drop"):
                raise Refused(f"a limit must be a number above zero, got {name} = {value}")
            if name == "drop" and value >= 1:
                raise Refused(f"at most all accuracy can be lost, which is 100 points, got {100 * value:g}")
        if self.latency_ms is not None and not self.device:
            raise Refused("a limit of time needs the device that it is about, such as cortex-m7")
        if not any(getattr(self, field.name) not in (None, "") for field in fields(self)):
            raise Refused("say what you can afford: a size, multiply-adds, memory, a device, or accuracy to lose")

    @property
    def structural(self) -> bool:
        """Whether bits and zeros alone may not do: work and memory only shrink with the shapes of layers."""
        return self.macs is not None or self.peak_memory is not None or bool(self.device)

    @property
    def costs(self) -> dict[str, float]:
        """Return the limits of what adds up over layers."""
        found = {name: getattr(self, name) for name in (SIZE, MACS, LATENCY)}
        return {name: value for name, value in found.items() if value is not None}

    def __str__(self) -> str:
        given = {name: getattr(self, name) for name in _WORDS if getattr(self, name) is not None}
        parts = [
            (_ONE if value == 1 else _WORDS).get(name, _WORDS[name]).format(value) for name, value in given.items()
        ]
        if self.device:
            parts.append(f"runs on {self.device}")
        if self.drop is not None:
            parts.append(f"at most {100 * self.drop:.3g} points of accuracy lost")
        return ", ".join(parts)


def amount(kind: str, text: str, called: str = "") -> float:
    """Return a limit from words such as `60 kB`, `2 ms`, `20M` or `0.5`; points of accuracy become a fraction.

    `called` is what it is called where it was written, such as `--size`. Raises `Refused`.
    """
    units, called = _UNITS[kind], called or kind
    listed = ", ".join(unit for unit in units if unit)
    found = re.fullmatch(r"\s*(-?[0-9.,_]+(?:e[+-]?[0-9]+)?)\s*([^\s0-9]*)\s*", text, re.IGNORECASE)
    known = {unit.lower(): factor for unit, factor in units.items()}
    try:
        if found is None or found[2].lower() not in known:
            raise ValueError
        value = float(found[1].replace(",", "").replace("_", "")) * known[found[2].lower()]
    except ValueError:
        raise Refused(f"{called} must be a number, perhaps with one of the units {listed}, got {text!r}") from None
    if math.isinf(value):
        raise Refused(f"{called} must be a finite number, got {text!r}")
    if value < 0:
        raise Refused(f"{called} must not be negative, got {text!r}")
    if value == 0 and kind != "drop":
        raise Refused(f"{called} must be above zero, got {text!r}")
    return value
